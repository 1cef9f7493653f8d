"""Files and their versions: the heart.

A write has three steps. The bytes become durable in a store under a fresh key; one transaction checks
every condition again, which is the truth, and makes them visible (`registry.changes`); the answer goes
out. A crash in between leaves at most bytes without a row, never a row without bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, exists, select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from backends.store import BlobReader, Buffers, StoreError
from registry import policy
from registry.blobs import DEFAULT_CHECKSUM, Blobs, Content, translated
from registry.changes import BytesNeededError
from registry.changes.delete_file import Deleted, DeleteFile
from registry.changes.file import UNCONDITIONAL, WriteConditions, check_conditions
from registry.changes.put_file import PutFile, Stored
from registry.control import Control, refuse_control
from registry.db import schema
from registry.db.database import Database
from registry.db.types import is_held
from registry.errors import (
    DeleteMarkerError,
    FileNotFoundInRegistryError,
    InvalidRequestError,
    RegistryError,
    StorageUnavailableError,
    VersionNotFoundError,
)
from registry.listing import list_files
from registry.model import (
    Actor,
    Checksum,
    ChecksumType,
    FileAttributes,
    FilePart,
    FileVersion,
    Keeping,
    ListPage,
    PackageStatus,
    Repository,
)
from registry.names import check_key
from registry.repositories import Repositories
from registry.source import Source
from registry.versions import version_name, version_of

__all__ = ["UNCONDITIONAL", "Deleted", "Deletion", "Files", "WriteConditions"]

SINGLE_PUT_LIMIT = 5 * 1024**3
"""The largest file that may be sent at once; larger ones are sent in parts."""


class Deletion(NamedTuple):
    """One of several deletions."""

    key: str
    version_id: str | None = None
    conditions: WriteConditions = UNCONDITIONAL


class Files:
    """Put, get, copy, delete and list files."""

    def __init__(self, database: Database, blobs: Blobs, repositories: Repositories, control: Control) -> None:
        self._database = database
        self._blobs = blobs
        self._repositories = repositories
        self._control = control

    async def put(
        self,
        actor: Actor,
        repository: str,
        key: str,
        source: Source,
        attributes: FileAttributes,
        *,
        conditions: WriteConditions = UNCONDITIONAL,
        checksum: str | None = None,
    ) -> FileVersion:
        """Store a file. On return it is durable and visible; whatever is raised, nothing has changed.

        `checksum` names the algorithm to compute and keep beside SHA-256 and MD5.
        """
        found = await self._repositories.permitted(actor, "file.write", repository)
        check_key(key)
        if Control.name(found, key) is not None:
            return await self._put_control(actor, found, key, source, attributes, checksum=checksum or DEFAULT_CHECKSUM)
        await self.check_early(found.id, key, conditions)
        algorithm = checksum or DEFAULT_CHECKSUM
        content, held = await self._blobs.ingest(source, checksum=algorithm, limit=SINGLE_PUT_LIMIT)
        change = PutFile(actor, found, key, content, attributes, conditions)
        try:
            return await self.commit(change, held)
        except StorageUnavailableError:
            raise  # in doubt whether the rows were committed, the bytes stay
        except RegistryError:
            await self._blobs.discard(content)
            raise

    async def _put_control(
        self,
        actor: Actor,
        repository: Repository,
        key: str,
        source: Source,
        attributes: FileAttributes,
        *,
        checksum: str,
    ) -> FileVersion:
        """Act on one of the registry's own keys; the answer describes what was sent, as S3 clients compare it."""
        name = Control.name(repository, key) or ""
        content, document = await self._blobs.take(source, checksum=checksum, limit=Control.limit(name))
        package = await self._control.act(actor, repository, key, name, document)
        if name == "package.json" and package.status is not PackageStatus.FINALIZED:
            return await self.commit(PutFile(actor, repository, key, content, attributes), (document,))
        return FileVersion(
            id=package.id,
            repository_id=repository.id,
            key=key,
            seq=0,
            created_at=package.updated_at,
            created_by=actor.account_id,
            size=content.size,
            etag=content.etag,
            sha256=content.sha256,
            checksum=content.checksum,
        )

    async def commit(self, change: PutFile, held: Buffers = ()) -> FileVersion:
        """Make a version of content that is durable. `held`: the bytes, where they are few."""
        given = change.content
        while True:
            try:
                stored: Stored = await self._repositories.submit(change)
            except BytesNeededError:
                if change.content.size and not held:
                    raise InvalidRequestError("The bytes to be copied were removed meanwhile.") from None
                change = replace(change, content=await self._blobs.keep(change.content, held))
                continue
            except StorageUnavailableError:
                raise  # in doubt
            except RegistryError:
                if change.content is not given:
                    await self._blobs.discard(change.content)
                raise
            if stored.spare:
                await self._blobs.discard(change.content)
            return stored.version

    async def check_early(self, repository_id: int, key: str, conditions: WriteConditions) -> None:
        """Refuse before a byte is taken what the transaction would refuse; the truth is found there."""
        if conditions.if_match is not None or conditions.if_none_match is not None:
            row = await self._database.point(_current_version, {"repository_id": repository_id, "key": key})
            check_conditions(conditions, None if row is None or row["delete_marker"] else row, key)

    async def get(self, actor: Actor, repository: str, key: str, version_id: str | None = None) -> FileVersion:
        """The current version of a file, or the one named. Its bytes can be read with `read` or `open`."""
        found = await self._repositories.permitted(actor, "file.read", repository)
        check_key(key)
        parameters: dict[str, Any] = {"repository_id": found.id, "key": key}
        if version_id is None:
            row = await self._database.point(_current_version, parameters)
        elif version_id == "null":
            row = await self._database.point(_null_version, parameters)
        elif is_held(version_id):
            row = await self._database.point(_named_version, {**parameters, "id": version_id})
        else:
            row = None
        if row is None:
            raise FileNotFoundInRegistryError(key) if version_id is None else VersionNotFoundError(key, version_id)
        if row["delete_marker"]:
            raise DeleteMarkerError(key, version_name(row), row["created_at"], by_id=version_id is not None)
        return version_of(row, store=row["store"] or "", storage_key=row["storage_key"] or "", keeping=_keeping(row))

    async def read(self, version: FileVersion, start: int, stop: int) -> bytes:
        """Bytes [start, stop) of a version at once; for stretches of at most 1 MiB."""
        if start == stop:
            return b""
        try:
            return await self._blobs.store(version.store).read(version.storage_key, start, stop)
        except StoreError as error:
            raise translated(error) from error

    async def open(self, version: FileVersion) -> BlobReader:
        """The bytes of a version, to be streamed. The caller closes it."""
        try:
            return await self._blobs.store(version.store).open_blob(version.storage_key)
        except StoreError as error:
            raise translated(error) from error

    async def parts(self, version: FileVersion) -> Sequence[FilePart]:
        """The parts a version was uploaded in; empty for one that came whole."""
        if version.part_count is None:
            return ()
        rows = await self._database.rows(_parts, {"version_id": version.id})
        return [FilePart(row["number"], row["offset"], row["size"], row["checksum_value"]) for row in rows]

    async def delete(
        self,
        actor: Actor,
        repository: str,
        key: str,
        version_id: str | None = None,
        *,
        conditions: WriteConditions = UNCONDITIONAL,
        bypass_governance: bool = False,
    ) -> Deleted:
        """Delete a file or one version of it. Deleting what is not there succeeds, as in S3."""
        found = await self._repositories.permitted(actor, "file.delete", repository)
        check_key(key)
        bypass = bypass_governance and policy.may(actor, "retention.bypass", found)
        change = DeleteFile(actor, found, key, version_id, conditions, bypass)
        deleted: Deleted = await self._repositories.submit(change)
        return deleted

    async def delete_many(
        self,
        actor: Actor,
        repository: str,
        deletions: Sequence[Deletion],
        *,
        bypass_governance: bool = False,
    ) -> Sequence[Deleted | RegistryError]:
        """Delete several; each succeeds or is refused by itself. Outcomes in the order of `deletions`."""
        await self._repositories.permitted(actor, "file.delete", repository)

        async def one(key: str, version_id: str | None, conditions: WriteConditions) -> Deleted | RegistryError:
            try:
                return await self.delete(
                    actor, repository, key, version_id, conditions=conditions, bypass_governance=bypass_governance
                )
            except RegistryError as refusal:
                return refusal

        return await asyncio.gather(*(one(*deletion) for deletion in deletions))

    async def copy(
        self,
        actor: Actor,
        source: FileVersion,
        repository: str,
        key: str,
        attributes: FileAttributes | None = None,
        *,
        conditions: WriteConditions = UNCONDITIONAL,
        checksum: str | None = None,
    ) -> FileVersion:
        """Give the bytes of a version another name. No byte is moved: the new version names the same blob.

        `attributes` None keeps those of the source. `checksum` asks for an algorithm the source may not have.
        """
        found = await self._repositories.permitted(actor, "file.write", repository)
        check_key(key)
        refuse_control(found, key)
        kept = source.checksum
        if checksum is not None and (kept is None or kept.algorithm != checksum or kept.type is ChecksumType.COMPOSITE):
            digests = await self._blobs.digest(source.store, source.storage_key, source.size, [checksum])
            kept = Checksum(checksum, digests.base64(checksum))
        content = Content(
            identity=source.sha256,
            sha256=source.sha256,
            size=source.size,
            etag=source.etag,
            checksum=kept,
            store=source.store,
            storage_key=None,
        )
        carried = replace(source.attributes, lock_mode=None, retain_until=None, legal_hold=False)
        change = PutFile(actor, found, key, content, attributes or carried, conditions, action="file.copy")
        return await self.commit(change)

    async def list(
        self,
        actor: Actor,
        repository: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        after: str = "",
        limit: int = 1000,
    ) -> ListPage:
        """A page of the current files, in byte order of their keys. `after` is exclusive."""
        found = await self._repositories.permitted(actor, "file.list", repository)
        return await list_files(self._database, found, prefix=prefix, delimiter=delimiter, after=after, limit=limit)


def _keeping(row: Any) -> Keeping:
    if row["package_status"] is None:
        return Keeping(held=bool(row["held"]))
    frozen = row["package_status"] == PackageStatus.FINALIZED and row["revision"] <= row["package_revision"]
    return Keeping(row["retention_class"], row["expires_at"], frozen, bool(row["held"]))


def _versions_with_bytes(*conditions: Any) -> Select[Any]:
    table, where, packages, holds = schema.file_versions, schema.blob_locations, schema.packages, schema.holds
    same = (table.c.repository_id == bindparam("repository_id")) & (table.c.key == bindparam("key"))
    held = exists().where(holds.c.released_at.is_(None), holds.c.version_id == table.c.id) | exists().where(
        holds.c.released_at.is_(None), holds.c.package_id == table.c.package_id
    )
    return (
        select(
            table,
            where.c.store,
            where.c.storage_key,
            packages.c.status.label("package_status"),
            packages.c.revision.label("package_revision"),
            packages.c.retention_class,
            packages.c.expires_at,
            held.label("held"),
        )
        .select_from(
            table.outerjoin(where, where.c.blob_id == table.c.blob_id).outerjoin(
                packages, packages.c.id == table.c.package_id
            )
        )
        .where(same, *conditions)
    )


def _current_version(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    return _versions_with_bytes().order_by(schema.file_versions.c.seq.desc()).limit(1)


def _null_version(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    return _versions_with_bytes(schema.file_versions.c.null_version).limit(1)


def _named_version(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    table = schema.file_versions
    return _versions_with_bytes(table.c.id == bindparam("id"), ~table.c.null_version).limit(1)


def _parts(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    table = schema.file_version_parts
    return select(table).where(table.c.version_id == bindparam("version_id")).order_by(table.c.number)
