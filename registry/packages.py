"""Packages: create, describe, finalize, amend, delete, restore, find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from registry import audit, policy
from registry.blobs import Blobs
from registry.burial import bury, unbury
from registry.changes.put_file import DEFAULT_RETENTION_CLASS
from registry.clock import SECOND, Clock
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.errors import (
    InvalidArgumentError,
    PackageExistsError,
    PackageNotFoundError,
    PackageStateError,
    PreconditionFailedError,
    ProtectedError,
    RepositoryNotFoundError,
)
from registry.finalizing import Finalizing
from registry.ids import uuid7
from registry.lifecycle import move
from registry.model import (
    Actor,
    FileVersion,
    Package,
    PackageQuery,
    PackageRevision,
    PackageStatus,
    Page,
    Protection,
    Repository,
)
from registry.names import check_package_name
from registry.opened_package import Opened
from registry.package_classes import class_duration
from registry.package_description import FIELD, checked_labels, checked_metadata, merged
from registry.package_search import FIELDS, fields, matching, package_of, with_repository
from registry.protection import package_reasons
from registry.repositories import Repositories
from registry.terms import begins, expiry
from registry.versions import version_of


class Packages:
    """The files under a prefix, as one thing with a life of its own."""

    def __init__(
        self, database: Database, blobs: Blobs, repositories: Repositories, clock: Clock, *, restore_window: int
    ) -> None:
        """`restore_window`: seconds in which a deleted package can be restored."""
        self._database = database
        self._blobs = blobs
        self._repositories = repositories
        self._clock = clock
        self._restore_window = restore_window

    async def create(
        self,
        actor: Actor,
        repository: str,
        name: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        producer: str | None = None,
        retention_class: str | None = None,
    ) -> Package:
        """Create a package before it has files. Raises PackageExistsError where there is one."""
        found = await self._repositories.permitted(actor, "package.create", repository)
        check_package_name(name, found.package_depth)
        async with self._database.transaction(*_locks(found, name)) as connection:
            there = await self._row(connection, repository=found, name=name)
            if there is not None:
                raise PackageExistsError(name, there["id"])
            opened = await self._new(connection, actor, found, name, explicit=True)
            await self._describe(
                opened, metadata=metadata or {}, labels=labels or {}, producer=producer, retention_class=retention_class
            )
            await opened.tell(actor, "package.create", "package.created", {"name": name})
            return await opened.write()

    async def get(self, actor: Actor, package_id: str) -> Package:
        """The package of that id, deleted ones included."""
        async with self._database.read() as connection:
            row = await self._row(connection, package_id=package_id)
        if row is None or not await self._visible(actor, row):
            raise PackageNotFoundError(package_id)
        return package_of(row)

    async def find(self, actor: Actor, repository: str, name: str) -> Package:
        """The package of that name; not one that was deleted."""
        found = await self._repositories.permitted(actor, "package.read", repository)
        async with self._database.read() as connection:
            row = await self._row(connection, repository=found, name=name)
        if row is None:
            raise PackageNotFoundError(f"{repository}/{name}")
        return package_of(row)

    async def list(
        self, actor: Actor, query: PackageQuery, *, after: str | None = None, limit: int = 100
    ) -> Page[Package]:
        """The packages that match, newest first. `after` is the `next` of the page before."""
        if query.repository is not None:
            await self._repositories.permitted(actor, "package.read", query.repository)
        table = schema.packages
        found = matching(query)
        if not actor.administrator:
            found = found.where(schema.repositories.c.owner_id == actor.account_id)
        if after is not None:
            found = found.where(table.c.id < after)
        async with self._database.read() as connection:
            rows = (await connection.execute(found.order_by(table.c.id.desc()).limit(limit + 1))).mappings().all()
        items = [package_of(row) for row in rows[:limit]]
        return Page(items, items[-1].id if len(rows) > limit else None)

    async def update(
        self,
        actor: Actor,
        package_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        labels: Mapping[str, str | None] | None = None,
        producer: str | None = None,
        change_producer: bool = False,
        expected: Package | None = None,
    ) -> Package:
        """Merge metadata and labels (RFC 7396). `expected`: only if it still is this, or PreconditionFailedError."""
        async with self.opened(actor, "package.update", package_id) as package:
            if expected is not None and package_of(package.row) != expected:
                raise PreconditionFailedError("If-Match")
            self._check_describable(package)
            row = package.row
            await self._describe(
                package,
                metadata=merged(row["metadata"], metadata or {}),
                labels=merged(row["labels"], labels or {}),
                producer=producer if change_producer else row["producer"],
                retention_class=row["retention_class"],
            )
            await package.tell(actor, "package.update", "package.updated", {"fields": sorted(metadata or {})})
            return await package.write()

    async def describe(self, actor: Actor, repository: str, name: str, document: Mapping[str, Any]) -> Package:
        """What `package.json` says: its members are the metadata, but for retention_class, producer and labels.

        Creates the package where there is none. Repeating it on a finalized package changes nothing.
        """
        found = await self._repositories.permitted(actor, "package.update", repository)
        metadata = {
            key: value for key, value in document.items() if key not in {"labels", "producer", "retention_class"}
        }
        labels, producer = document.get("labels", {}), document.get("producer")
        retention_class = document.get("retention_class")
        async with self._database.transaction(*_locks(found, name)) as connection:
            row = await self._row(connection, repository=found, name=name)
            if row is None:
                package = await self._new(connection, actor, found, name)
                await package.tell(actor, "package.create", "package.created", {"name": name, "implicit": True})
            else:
                package = Opened(connection, found, row, self._clock())
                same = (metadata, labels, producer) == (row["metadata"], row["labels"], row["producer"])
                if same and retention_class in {None, row["retention_class"]}:
                    return package_of(row)
                self._check_describable(package)
            await self._describe(
                package, metadata=metadata, labels=labels, producer=producer, retention_class=retention_class
            )
            await package.tell(actor, "package.update", "package.updated", {"fields": sorted(metadata)})
            return await package.write()

    async def finalize(
        self,
        actor: Actor,
        package_id: str,
        *,
        sums: Mapping[str, str] | None = None,
        listing: bytes | None = None,
    ) -> Package:
        """Freeze what the package holds and describe it by a manifest. Finalizing it again changes nothing.

        `sums` (path -> SHA-256): only if it holds exactly these; raises SumsDifferError with every difference.
        `listing` is the text that they were read from, which is then kept as it is.
        """
        async with self.opened(actor, "package.finalize", package_id) as package:
            return await Finalizing(package, self._blobs).run(actor, sums, listing)

    async def amend(self, actor: Actor, package_id: str) -> Package:
        """Let a finalized package take more files, until it is finalized again as its next revision."""
        async with self.opened(actor, "package.amend", package_id) as package:
            if package.row["status"] != PackageStatus.FINALIZED:
                raise PackageStateError(
                    f"Package {package.row['name']} is {package.row['status']}; only a finalized one can be amended."
                )
            if not package.row["amending"]:
                package.row["amending"] = True
                await package.tell(actor, "package.amend", "package.amending", {"revision": package.row["revision"]})
            return await package.write()

    async def delete(self, actor: Actor, package_id: str, *, reason: str = "") -> Package:
        """Delete a package that nothing protects; it can be restored for a while. Raises ProtectedError otherwise."""
        refusal: tuple[Protection, ...] = ()
        async with self.opened(actor, "package.delete", package_id) as package:
            row = package.row
            if row["status"] == PackageStatus.DELETED:
                return package_of(row)
            refusal = await package_reasons(package.connection, row, package.now)
            if refusal:
                entry = audit.entry(
                    package.now,
                    actor,
                    "package.delete",
                    outcome=audit.DENIED,
                    repository=package.repository.name,
                    resource=row["name"],
                    package_id=row["id"],
                    detail={"reasons": [one.message for one in refusal]},
                )
                await package.connection.execute(insert(schema.audit_entries).values(entry))
            else:
                move(row, PackageStatus.DELETED)
                row["deleted_at"] = package.now
                detail = {"reason": reason, "files": row["file_count"], "size": row["size"]}
                await package.tell(actor, "package.delete", "package.deleted", detail)
                deleted = await package.write()
                await bury(package)
                return deleted
        raise ProtectedError(refusal)

    async def restore(self, actor: Actor, package_id: str) -> Package:
        """Bring a deleted package back as it was, within the restore window."""
        async with self.opened(actor, "package.restore", package_id) as package:
            row = package.row
            if row["status"] != PackageStatus.DELETED:
                raise PackageStateError(f"Package {row['name']} is not deleted, it is {row['status']}.")
            if package.now > row["deleted_at"] + self._restore_window * SECOND:
                raise PackageStateError(f"Package {row['name']} was deleted too long ago to be restored.")
            there = await self._row(package.connection, repository=package.repository, name=row["name"])
            if there is not None:
                raise PackageExistsError(row["name"], there["id"])
            move(row, PackageStatus.FINALIZED if row["revision"] else PackageStatus.UPLOADING)
            row["deleted_at"] = None
            await unbury(package)
            await package.tell(actor, "package.restore", "package.restored", {"files": row["file_count"]})
            return await package.write()

    async def revisions(self, actor: Actor, package_id: str) -> Sequence[PackageRevision]:
        """Every revision that was finalized, the first one first."""
        await self.get(actor, package_id)
        table = schema.package_revisions
        query = select(table).where(table.c.package_id == package_id).order_by(table.c.revision)
        async with self._database.read() as connection:
            return [
                PackageRevision(
                    row["revision"],
                    row["manifest_sha256"],
                    row["previous_sha256"],
                    row["size"],
                    row["file_count"],
                    row["finalized_at"],
                    row["finalized_by"],
                )
                for row in (await connection.execute(query)).mappings()
            ]

    async def manifest(self, actor: Actor, package_id: str, *, revision: int | None = None) -> bytes:
        """The manifest of a revision (None: the newest), byte for byte what its digest is of."""
        package = await self.get(actor, package_id)
        revisions, where = schema.package_revisions, schema.blob_locations
        query = (
            select(where.c.store, where.c.storage_key, schema.blobs.c.size)
            .select_from(
                revisions.join(where, where.c.blob_id == revisions.c.manifest_blob_id).join(
                    schema.blobs, schema.blobs.c.id == where.c.blob_id
                )
            )
            .where(revisions.c.package_id == package_id, revisions.c.revision == (revision or package.revision))
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            if not package.revision:
                raise PackageStateError(
                    f"Package {package.name} is {package.status}: it has no manifest before it is finalized."
                )
            raise InvalidArgumentError(
                "revision", revision, f"Package {package.name} has revisions 1 to {package.revision}."
            )
        return await self._blobs.whole(row["store"], row["storage_key"], row["size"])

    async def files(
        self, actor: Actor, package_id: str, *, after: str | None = None, limit: int = 1000
    ) -> Page[FileVersion]:
        """The current files of a package, in byte order of their keys. `after` is exclusive."""
        package = await self.get(actor, package_id)
        versions, heads = schema.file_versions, schema.files
        other = versions.alias("other")
        newest = (
            select(func.max(other.c.seq))
            .where(other.c.repository_id == heads.c.repository_id, other.c.key == heads.c.key)
            .scalar_subquery()
        )
        low = max(f"{package.name}/", after or "")
        query = (
            select(versions)
            .select_from(
                heads.join(
                    versions,
                    (versions.c.repository_id == heads.c.repository_id)
                    & (versions.c.key == heads.c.key)
                    & (versions.c.seq == newest),
                )
            )
            .where(
                heads.c.repository_id == package.repository_id,
                heads.c.key > low,
                heads.c.key < f"{package.name}0",
                heads.c.package_id == package_id,
            )
            .order_by(heads.c.key)
            .limit(limit + 1)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        items = [version_of(row) for row in rows[:limit]]
        return Page(items, items[-1].key if len(rows) > limit else None)

    async def deletion_plan(
        self, actor: Actor, repository: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page[Package]:
        """The packages whose time has come and that nothing else protects. Nothing is deleted."""
        if repository is not None:
            await self._repositories.permitted(actor, "package.read", repository)
        table, holds, versions = schema.packages, schema.holds, schema.file_versions
        now = self._clock()
        held_versions = select(holds.c.version_id).where(holds.c.released_at.is_(None), holds.c.version_id.is_not(None))
        found = (
            with_repository()
            .where(
                table.c.status.in_((PackageStatus.FINALIZED.value, PackageStatus.FAILED.value)),
                table.c.expires_at <= now,
                ~exists().where(holds.c.package_id == table.c.id, holds.c.released_at.is_(None)),
                ~exists().where(
                    versions.c.package_id == table.c.id,
                    (versions.c.retain_until > now) | versions.c.id.in_(held_versions),
                ),
            )
            .order_by(table.c.id)
            .limit(limit + 1)
        )
        if repository is not None:
            found = found.where(schema.repositories.c.name == repository)
        if not actor.administrator:
            found = found.where(schema.repositories.c.owner_id == actor.account_id)
        if after is not None:
            found = found.where(table.c.id > after)
        async with self._database.read() as connection:
            rows = (await connection.execute(found)).mappings().all()
        items = [package_of(row) for row in rows[:limit]]
        return Page(items, items[-1].id if len(rows) > limit else None)

    @asynccontextmanager
    async def opened(self, actor: Actor, action: str, package_id: str) -> AsyncIterator[Opened]:
        """A package held still: no file comes or goes, nothing else changes it, until the block ends."""
        async with self._database.read() as connection:
            row = await self._row(connection, package_id=package_id)
        if row is None or not await self._visible(actor, row):
            raise PackageNotFoundError(package_id)
        repository = await self._repositories.permitted(actor, action, row["repository"])
        async with self._database.transaction(*_locks(repository, row["name"])) as connection:
            row = await self._row(connection, package_id=package_id)
            if row is None:
                raise PackageNotFoundError(package_id)
            yield Opened(connection, repository, row, self._clock())

    async def _visible(self, actor: Actor, row: Mapping[str, Any]) -> bool:
        try:
            repository = await self._repositories.refreshed(row["repository"])
        except RepositoryNotFoundError:
            return False
        return policy.may(actor, "package.read", repository)

    async def _row(
        self,
        connection: AsyncConnection,
        *,
        package_id: str | None = None,
        repository: Repository | None = None,
        name: str | None = None,
    ) -> dict[str, Any] | None:
        table = schema.packages
        query = with_repository()
        if package_id is not None:
            query = query.where(table.c.id == package_id)
        elif repository is not None:
            query = query.where(
                table.c.repository_id == repository.id, table.c.name == name, table.c.deleted_at.is_(None)
            )
        row = (await connection.execute(query)).mappings().first()
        return None if row is None else dict(row)

    async def _new(
        self, connection: AsyncConnection, actor: Actor, repository: Repository, name: str, *, explicit: bool = False
    ) -> Opened:
        now = self._clock()
        row: dict[str, Any] = {
            "id": f"pkg_{uuid7()}",
            "repository_id": repository.id,
            "name": name,
            "status": (PackageStatus.CREATED if explicit else PackageStatus.UPLOADING).value,
            "explicit": explicit,
            "amending": False,
            "created_at": now,
            "created_by": actor.name,
            "updated_at": now,
            "size": 0,
            "file_count": 0,
            "revision": 0,
            "metadata": {},
            "labels": {},
            "producer": None,
            "retention_class": repository.default_retention_class or DEFAULT_RETENTION_CLASS,
            "finalized_at": None,
            "expires_at": None,
            "extended_until": None,
            "deleted_at": None,
            "manifest_sha256": None,
        }
        await connection.execute(insert(schema.packages).values(row))
        return Opened(
            connection, repository, {**row, "repository": repository.name, "owner_id": repository.owner_id}, now
        )

    def _check_describable(self, package: Opened) -> None:
        status = package.row["status"]
        if status in {PackageStatus.FINALIZED, PackageStatus.DELETED}:
            raise PackageStateError(f"Package {package.row['name']} is {status}: its metadata cannot change any more.")

    async def _describe(
        self,
        package: Opened,
        *,
        metadata: Any,
        labels: Any,
        producer: Any,
        retention_class: Any,
    ) -> None:
        """Put a description in the row, after checking all of it."""
        row = package.row
        row["metadata"] = checked_metadata(metadata)
        row["labels"] = checked_labels(labels)
        if producer is not None and not (isinstance(producer, str) and 0 < len(producer) <= FIELD):
            raise InvalidArgumentError("producer", producer, f"producer is a text of 1 to {FIELD} characters.")
        row["producer"] = producer
        name = retention_class or row["retention_class"]
        duration = await class_duration(package.connection, name)
        row["retention_class"] = name
        row["expires_at"] = expiry(begins(row), duration, row["extended_until"])
        await _index(package.connection, row["id"], fields(row["metadata"], row["labels"]))


def _locks(repository: Repository, name: str) -> tuple[Lock, ...]:
    return (
        Lock(Scope.REPOSITORY, str(repository.id), shared=True),
        Lock(Scope.PACKAGE, f"{repository.id}/{name}"),
    )


async def _index(connection: AsyncConnection, package_id: str, values: Iterable[tuple[str, str]]) -> None:
    table = schema.package_fields
    await connection.execute(delete(table).where(table.c.package_id == package_id))
    rows = sorted(set(values))[:FIELDS]
    if rows:
        await connection.execute(
            insert(table), [{"package_id": package_id, "path": path, "value": value} for path, value in rows]
        )
