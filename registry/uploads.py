"""Multipart uploads: parts land where they stay; completing proves the whole and publishes it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import bindparam, or_, select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from backends.store import Buffers, StoredPart, StoreError, UploadGoneError
from registry import attributes as attribute_rows
from registry.blobs import DEFAULT_CHECKSUM, Blobs, Content, settle, translated, within
from registry.changes.file import UNCONDITIONAL, WriteConditions
from registry.changes.put_file import PutFile
from registry.changes.upload import AbortUpload, BeginUpload, PutPart
from registry.control import refuse_control
from registry.db import schema
from registry.db.database import Database
from registry.db.types import is_held
from registry.digests import Digests, composite
from registry.errors import (
    DigestMismatchError,
    InvalidArgumentError,
    InvalidPartError,
    InvalidPartOrderError,
    InvalidRequestError,
    LengthMismatchError,
    PartTooSmallError,
    RegistryError,
    UploadNotFoundError,
)
from registry.files import Files
from registry.listing import bounds, common_prefix
from registry.model import (
    Actor,
    Checksum,
    ChecksumType,
    FileAttributes,
    FileVersion,
    PartPage,
    Repository,
    Upload,
    UploadPage,
    UploadPart,
)
from registry.names import check_key
from registry.repositories import Repositories
from registry.source import Expect, Source
from registry.versions import version_of

PART_LIMIT = 5 * 1024**3
"""The largest part."""

PART_MINIMUM = 5 * 1024**2
"""The smallest part but for the last."""

PARTS = 10_000

FILE_LIMIT = 50 * 1024**4
"""The largest file: S3's 50 TB."""


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """A part as a completion names it. The ETag without quotes."""

    number: int
    etag: str
    checksum: Checksum | None = None


class Uploads:
    """Begin, fill, complete, abort and list multipart uploads."""

    def __init__(self, database: Database, blobs: Blobs, repositories: Repositories, files: Files) -> None:
        self._database = database
        self._blobs = blobs
        self._repositories = repositories
        self._files = files

    async def create(
        self,
        actor: Actor,
        repository: str,
        key: str,
        attributes: FileAttributes,
        *,
        checksum_algorithm: str | None = None,
        checksum_type: ChecksumType | None = None,
    ) -> Upload:
        """Begin an upload. Its parts and the whole are to carry `checksum_algorithm`, where one is given."""
        found = await self._repositories.permitted(actor, "file.write", repository)
        check_key(key)
        refuse_control(found, key)
        try:
            token = await self._blobs.default.create_multipart()
        except StoreError as error:
            raise translated(error) from error
        change = BeginUpload(
            actor, found, key, attributes, checksum_algorithm, checksum_type, self._blobs.default.name, token
        )
        return _upload({**await self._repositories.submit(change), "initiator_name": actor.name})

    async def get(self, actor: Actor, repository: str, key: str, upload_id: str) -> Upload:
        """An upload in progress."""
        found = await self._repositories.permitted(actor, "file.write", repository)
        row = await self._row(found, key, upload_id)
        if row["completed_version"] is not None:
            raise UploadNotFoundError(upload_id)
        return _upload(row)

    async def put_part(  # noqa: PLR0917 - where, which one, and what
        self,
        actor: Actor,
        repository: str,
        key: str,
        upload_id: str,
        number: int,
        source: Source,
        *,
        checksum: str | None = None,
    ) -> UploadPart:
        """Store a part. On return it is durable; a part of the same number is replaced."""
        found = await self._repositories.permitted(actor, "file.write", repository)
        upload = await self._open(found, key, upload_id, number)
        within(PART_LIMIT, source.length or 0)
        algorithm = _part_algorithm(upload, checksum)
        digests = Digests([algorithm] if algorithm else [])
        store = self._blobs.store(upload["store"])
        writer = store.create_part(upload["store_upload"], number, source.length)
        try:
            await self._blobs.pour(writer, digests, (), aiter(source), PART_LIMIT)
            settle(source, digests)
            storage_key = await writer.commit(digests.hexdigest("SHA256"))
        except UploadGoneError:
            await writer.abort()
            raise UploadNotFoundError(upload_id) from None
        except StoreError as error:
            await writer.abort()
            raise translated(error) from error
        except BaseException:
            await writer.abort()
            raise
        change = PutPart(
            actor,
            found,
            upload_id,
            number,
            storage_key,
            digests.size,
            digests.hexdigest("MD5"),
            algorithm,
            digests.base64(algorithm) if algorithm else None,
        )
        return _part(await self._repositories.submit(change))

    async def copy_part(  # noqa: PLR0917 - from where, to where
        self,
        actor: Actor,
        source: FileVersion,
        start: int,
        stop: int,
        repository: str,
        key: str,
        upload_id: str,
        number: int,
    ) -> UploadPart:
        """Store bytes [start, stop) of a version as a part."""
        reader = await self._files.open(source)
        try:
            stretch = _Stretch(reader.stream(start, stop), stop - start)
            return await self.put_part(actor, repository, key, upload_id, number, stretch)
        except StoreError as error:
            raise translated(error) from error
        finally:
            await reader.close()

    async def complete(
        self,
        actor: Actor,
        repository: str,
        key: str,
        upload_id: str,
        parts: Sequence[CompletedPart],
        *,
        conditions: WriteConditions = UNCONDITIONAL,
        size: int | None = None,
        checksum: Checksum | None = None,
    ) -> FileVersion:
        """Make a file of the parts named. Its bytes are read back and hashed before it is visible.

        `size` and `checksum`, where the client gave them, must be those of the whole. What is refused
        leaves the upload as it was. Repeating a completion that succeeded gives the same version again.
        """
        found = await self._repositories.permitted(actor, "file.write", repository)
        row = await self._row(found, key, upload_id)
        if row["completed_version"] is not None:
            return await self._completed(found, key, row)
        try:
            return await self._publish(actor, found, _upload(row), parts, conditions, size=size, checksum=checksum)
        except RegistryError:
            # Asked for twice at once: what refuses this one may be that the other one is done.
            row = await self._row(found, key, upload_id)
            if row["completed_version"] is None:
                raise
            return await self._completed(found, key, row)

    async def _publish(
        self,
        actor: Actor,
        repository: Repository,
        upload: Upload,
        parts: Sequence[CompletedPart],
        conditions: WriteConditions,
        *,
        size: int | None,
        checksum: Checksum | None,
    ) -> FileVersion:
        stored = await self._named_parts(upload, parts)
        total = sum(part["size"] for part in stored)
        if size is not None and size != total:
            raise InvalidRequestError(
                f"The size announced for the whole, {size} bytes, is not that of its parts together: {total} bytes."
            )
        within(FILE_LIMIT, total)
        await self._files.check_early(repository.id, upload.key, conditions)
        content = await self._assemble(upload, stored, total, checksum)
        change = PutFile(actor, repository, upload.key, content, upload.attributes, conditions, upload.id)
        return await self._files.commit(change)

    async def abort(self, actor: Actor, repository: str, key: str, upload_id: str) -> None:
        """Give up an upload and drop its parts."""
        found = await self._repositories.permitted(actor, "file.write", repository)
        await self._row(found, key, upload_id)
        gone = await self._repositories.submit(AbortUpload(actor, found, upload_id))
        try:
            await self._blobs.store(gone["store"]).abort_multipart(gone["store_upload"])
        except StoreError:
            return  # its rows are gone; what is left of the bytes is found by reconcile

    async def list(
        self,
        actor: Actor,
        repository: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        upload_id_marker: str = "",
        limit: int = 1000,
    ) -> UploadPage:
        """Uploads in progress by key, then by age. The markers are exclusive."""
        found = await self._repositories.permitted(actor, "file.list", repository)
        if limit <= 0 or not is_held(prefix):
            return UploadPage((), ())
        low, high = bounds(prefix, delimiter, key_marker)
        if upload_id_marker and is_held(key_marker + upload_id_marker):
            low = max(prefix, key_marker)
        uploads: list[Upload] = []
        prefixes: list[str] = []
        last = ("", "")
        seen = (low, upload_id_marker if low == key_marker else "")
        while True:
            page = await self._page(found, seen, high, limit + 1)
            for row in page:
                rolled = common_prefix(row["key"], prefix, delimiter)
                if rolled is not None and rolled in prefixes[-1:]:
                    continue
                if len(uploads) + len(prefixes) == limit:
                    return UploadPage(uploads, prefixes, *last)
                if rolled is not None:
                    prefixes.append(rolled)
                    last = (rolled, "")
                else:
                    uploads.append(_upload(row))
                    last = (row["key"], row["id"])
            if len(page) <= limit:
                return UploadPage(uploads, prefixes)
            seen = (page[-1]["key"], page[-1]["id"])

    async def _page(self, repository: Repository, seen: tuple[str, str], high: str | None, lines: int) -> Sequence[Any]:
        """Uploads in progress from a key on; behind an upload of that key where one is named."""
        table = schema.uploads
        key, upload_id = seen
        query = _uploads_with_initiator().where(
            table.c.repository_id == repository.id,
            table.c.completed_at.is_(None),
            table.c.key >= key,
            or_(table.c.key > key, table.c.id > upload_id),
        )
        if high is not None:
            query = query.where(table.c.key < high)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(table.c.key, table.c.id).limit(lines))
            found: Sequence[Any] = rows.mappings().all()
            return found

    async def list_parts(
        self, actor: Actor, repository: str, key: str, upload_id: str, *, after: int = 0, limit: int = 1000
    ) -> PartPage:
        """The parts that were sent, by number."""
        upload = await self.get(actor, repository, key, upload_id)
        rows = await self._database.rows(_parts, {"upload_id": upload_id, "after": after, "lines": limit + 1})
        parts = [_part(row) for row in rows[:limit]]
        return PartPage(upload, parts, parts[-1].number if len(rows) > limit and parts else None)

    async def _row(self, repository: Repository, key: str, upload_id: str) -> Any:
        check_key(key)
        row = await self._database.point(_by_id, {"id": upload_id}) if is_held(upload_id) else None
        if row is None or row["repository_id"] != repository.id or row["key"] != key:
            raise UploadNotFoundError(upload_id)
        return row

    async def _open(self, repository: Repository, key: str, upload_id: str, number: int) -> Any:
        if not 1 <= number <= PARTS:
            raise InvalidArgumentError(
                "partNumber", number, f"Part number must be an integer between 1 and {PARTS}, inclusive"
            )
        row = await self._row(repository, key, upload_id)
        if row["completed_version"] is not None:
            raise UploadNotFoundError(upload_id)
        return row

    async def _completed(self, repository: Repository, key: str, row: Any) -> FileVersion:
        version = await self._database.point(
            _version, {"repository_id": repository.id, "key": key, "id": row["completed_version"]}
        )
        if version is None:
            raise UploadNotFoundError(row["id"])
        return version_of(version)

    async def _named_parts(self, upload: Upload, parts: Sequence[CompletedPart]) -> Sequence[Any]:
        """The rows of the parts that a completion names, after holding it against them."""
        if not parts:
            raise InvalidRequestError("You must specify at least one part")
        rows = await self._database.rows(_parts, {"upload_id": upload.id, "after": 0, "lines": PARTS})
        sent = {row["number"]: row for row in rows}
        if any(later.number <= earlier.number for earlier, later in pairwise(parts)):
            raise InvalidPartOrderError
        named = []
        for part in parts:
            row = sent.get(part.number)
            if row is None or row["md5"] != part.etag:
                raise InvalidPartError(part.number)
            said = part.checksum
            computed = said is not None and row["checksum_algorithm"] == said.algorithm
            if said is not None and computed and row["checksum_value"] != said.value:
                raise InvalidPartError(
                    part.number,
                    f"The checksum of part {part.number} is not the one that was computed when it was received.",
                )
            named.append(row)
        for row in named[:-1]:
            if row["size"] < PART_MINIMUM:
                raise PartTooSmallError(row["number"], row["size"], PART_MINIMUM, row["md5"])
        return named

    async def _assemble(self, upload: Upload, stored: Sequence[Any], total: int, announced: Checksum | None) -> Content:
        """Make one blob of the parts, and prove what it is by reading it."""
        algorithm = upload.checksum_algorithm or (announced.algorithm if announced else None) or DEFAULT_CHECKSUM
        is_composite = upload.checksum_type is ChecksumType.COMPOSITE
        store = self._blobs.store(upload.store)
        try:
            storage_key = await store.complete_multipart(
                upload.store_upload, [StoredPart(row["number"], row["storage_key"], row["size"]) for row in stored]
            )
        except UploadGoneError:
            raise UploadNotFoundError(upload.id) from None
        except StoreError as error:
            raise translated(error) from error
        digests = await self._blobs.digest(upload.store, storage_key, total, [] if is_composite else [algorithm])
        if is_composite:
            checksum = Checksum(algorithm, _composite(algorithm, stored), ChecksumType.COMPOSITE)
        else:
            checksum = Checksum(algorithm, digests.base64(algorithm))
        if announced is not None and announced.algorithm == algorithm:
            value = announced.value
            if is_composite and "-" not in value:
                value = f"{value}-{len(stored)}"
            if value != checksum.value:
                raise DigestMismatchError(algorithm, value, checksum.value)
        offset, parts = 0, []
        for row in stored:
            kept = row["checksum_value"] if row["checksum_algorithm"] == algorithm else None
            parts.append((row["number"], offset, row["size"], kept))
            offset += row["size"]
        joined = hashlib.md5(b"".join(bytes.fromhex(row["md5"]) for row in stored), usedforsecurity=False).hexdigest()
        sha256 = digests.hexdigest("SHA256")
        return Content(
            identity=sha256,
            sha256=sha256,
            size=total,
            etag=f"{joined}-{len(stored)}",
            checksum=checksum,
            store=upload.store,
            storage_key=storage_key,
            parts=tuple(parts),
        )


class _Stretch:
    """Stored bytes as a source."""

    def __init__(self, pieces: AsyncIterator[Any], length: int) -> None:
        self._pieces = pieces
        self.length = length
        self.expect = Expect()

    async def __aiter__(self) -> AsyncIterator[Buffers]:
        async for piece in self._pieces:
            yield (piece,)

    def finish(self, digests: Digests) -> None:
        if digests.size != self.length:
            raise LengthMismatchError(self.length, digests.size)


def _part_algorithm(upload: Any, asked: str | None) -> str | None:
    declared: str | None = upload["checksum_algorithm"]
    if declared is not None and asked is not None and asked != declared:
        raise InvalidRequestError(
            f"Checksum Type mismatch occurred, expected checksum Type: {declared.lower()}, "
            f"actual checksum Type: {asked.lower()}"
        )
    return declared or asked


def _composite(algorithm: str, stored: Sequence[Any]) -> str:
    raw = []
    for row in stored:
        if row["checksum_algorithm"] != algorithm or row["checksum_value"] is None:
            raise InvalidPartError(row["number"], f"Part {row['number']} was sent without its {algorithm} checksum.")
        try:
            raw.append(base64.b64decode(row["checksum_value"], validate=True))
        except binascii.Error as error:
            raise InvalidPartError(row["number"]) from error
    return composite(algorithm, raw)


def _upload(row: Any) -> Upload:
    return Upload(
        id=row["id"],
        repository_id=row["repository_id"],
        key=row["key"],
        initiated_at=row["initiated_at"],
        initiated_by=row["initiated_by"],
        initiator_name=row["initiator_name"] or "",
        attributes=attribute_rows.load(row),
        checksum_algorithm=row["checksum_algorithm"],
        checksum_type=ChecksumType(row["checksum_type"]) if row["checksum_type"] else None,
        store=row["store"],
        store_upload=row["store_upload"],
    )


def _part(row: Any) -> UploadPart:
    checksum = None
    if row["checksum_algorithm"] is not None:
        checksum = Checksum(row["checksum_algorithm"], row["checksum_value"])
    return UploadPart(row["number"], row["size"], row["md5"], row["modified_at"], checksum)


def _uploads_with_initiator() -> Any:
    table, accounts = schema.uploads, schema.accounts
    return select(table, accounts.c.name.label("initiator_name")).outerjoin(
        accounts, accounts.c.id == table.c.initiated_by
    )


def _by_id(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    found: ClauseElement = _uploads_with_initiator().where(schema.uploads.c.id == bindparam("id"))
    return found


def _parts(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    table = schema.upload_parts
    return (
        select(table)
        .where(table.c.upload_id == bindparam("upload_id"), table.c.number > bindparam("after"))
        .order_by(table.c.number)
        .limit(bindparam("lines"))
    )


def _version(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    table = schema.file_versions
    return select(table).where(
        table.c.repository_id == bindparam("repository_id"),
        table.c.key == bindparam("key"),
        table.c.id == bindparam("id"),
    )
