"""Ingest: a stream becomes durable bytes with known digests. No transaction is open meanwhile."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from backends.store import (
    SMALL,
    BlobNotFoundError,
    BlobReader,
    BlobStore,
    BlobWriter,
    Buffers,
    StoreCorruptError,
    StoreError,
    StoreFullError,
)
from registry.db import schema
from registry.db.database import Database
from registry.digests import Digests
from registry.errors import (
    FileTooLargeError,
    RegistryError,
    StorageFullError,
    StorageUnavailableError,
    StoredBytesDamagedError,
)
from registry.model import Checksum
from registry.source import Source

DEFAULT_CHECKSUM = "CRC64NVME"
"""What is kept of a file whose sender asked for nothing else."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file version consists of, before it is one.

    `storage_key` names bytes that were just written; None says that the registry was seen to hold bytes
    of this identity already, which the transaction must find still true.
    """

    identity: str
    sha256: str
    size: int
    etag: str
    checksum: Checksum | None
    store: str
    storage_key: str | None
    parts: tuple[tuple[int, int, int, str | None], ...] = ()
    """(number, offset, size, checksum) of each part of a multipart upload."""


def translated(error: StoreError) -> RegistryError:
    """A store's error in the registry's words."""
    if isinstance(error, StoreFullError):
        return StorageFullError(f"There is no room for the bytes: {error.reason}. Nothing was stored.")
    if isinstance(error, StoreCorruptError | BlobNotFoundError):
        return StoredBytesDamagedError(f"The stored bytes cannot be read: {error.reason}.")
    return StorageUnavailableError(f"The store does not answer: {error.reason}. Nothing was changed; try again.")


class Blobs:
    """The way of bytes into the stores and out of them."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._stores = {store.name: store}
        self.default = store
        self._hashing = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="hash")

    def close(self) -> None:
        self._hashing.shutdown()

    def store(self, name: str) -> BlobStore:
        """The store of that name. Raises StorageUnavailableError for one that is not configured."""
        try:
            return self._stores[name]
        except KeyError:
            raise StorageUnavailableError(
                f"The bytes are in store {name!r}, which this gateway has no configuration of."
            ) from None

    async def ingest(self, source: Source, *, checksum: str | None = None, limit: int) -> tuple[Content, Buffers]:
        """Take the stream in. On return its bytes are durable, or known to be there already.

        `checksum` names the algorithm to be kept beside SHA-256 and MD5. Small bodies come back as the
        second value, so that they can be stored after all where "there already" turns out untrue.
        Whatever is raised, nothing was kept.
        """
        within(limit, source.length or 0)
        digests = Digests([checksum] if checksum else [])
        held: list[Any] = []
        size = 0
        batches = aiter(source)
        async for batch in batches:
            held.extend(batch)
            size += sum(map(len, batch))
            if size > SMALL:
                return await self._stream(source, held, batches, digests, checksum=checksum, limit=limit), ()
        digests.update(held)
        settle(source, digests)
        content = self._content(digests, checksum)
        if await self.known(content.identity):
            return content, held
        return await self.keep(content, held), held

    async def take(self, source: Source, *, checksum: str, limit: int) -> tuple[Content, bytes]:
        """Take a small document in without storing it: what it is, verified, and its bytes."""
        digests = Digests([checksum])
        document = bytearray()
        async for batch in source:
            digests.update(batch)
            if digests.size > limit:
                raise FileTooLargeError(digests.size, limit)
            document += b"".join(batch)
        settle(source, digests)
        return self._content(digests, checksum), bytes(document)

    async def keep(self, content: Content, buffers: Buffers) -> Content:
        """Store a small body."""
        try:
            key = await self.default.put(buffers, content.size, content.sha256)
        except StoreError as error:
            raise translated(error) from error
        return replace(content, storage_key=key)

    async def known(self, identity: str) -> bool:
        """Whether bytes of this identity are there; true only for the moment."""
        return await self._database.point(_blob_by_identity, {"identity": identity}) is not None

    async def discard(self, content: Content) -> None:
        """Drop bytes that no row came to name. Only after a definite refusal, never in doubt."""
        if content.storage_key is not None:
            try:
                await self.store(content.store).delete([content.storage_key])
            except StoreError:
                return  # they stay as bytes without a row, which reconcile finds

    async def _stream(
        self,
        source: Source,
        held: Buffers,
        rest: AsyncIterator[Buffers],
        digests: Digests,
        *,
        checksum: str | None,
        limit: int,
    ) -> Content:
        writer = self.default.create(source.length)
        try:
            await self.pour(writer, digests, held, rest, limit)
            settle(source, digests)
            content = self._content(digests, checksum)
            return replace(content, storage_key=await writer.commit(content.sha256))
        except StoreError as error:
            await writer.abort()
            raise translated(error) from error
        except BaseException:
            await writer.abort()
            raise

    async def pour(
        self, writer: BlobWriter, digests: Digests, first: Buffers, rest: AsyncIterator[Buffers], limit: int
    ) -> None:
        """Hash and write batch after batch, receiving one while the one before is hashed and written."""
        loop = asyncio.get_running_loop()
        received = sum(map(len, first))

        async def step(batch: Buffers) -> None:
            hashed = loop.run_in_executor(self._hashing, digests.update, batch)
            try:
                await writer.write(batch)
            finally:
                await hashed

        under_way = asyncio.ensure_future(step(first))
        try:
            async for batch in rest:
                received += sum(map(len, batch))
                within(limit, received)
                await under_way
                under_way = asyncio.ensure_future(step(batch))
            await under_way
        except BaseException:
            # The step must have ended before the writer is aborted: it still writes.
            await asyncio.wait([under_way])
            if under_way.done() and not under_way.cancelled():
                under_way.exception()
            raise

    def _content(self, digests: Digests, checksum: str | None) -> Content:
        sha256 = digests.hexdigest("SHA256")
        return Content(
            identity=sha256,
            sha256=sha256,
            size=digests.size,
            etag=digests.hexdigest("MD5"),
            checksum=Checksum(checksum, digests.base64(checksum)) if checksum else None,
            store=self.default.name,
            storage_key=None,
        )

    async def whole(self, store: str, storage_key: str, size: int) -> bytes:
        """A document of the registry's own, in one piece."""
        try:
            if size <= SMALL:
                return await self.store(store).read(storage_key, 0, size)
            reader = await self.store(store).open_blob(storage_key)
            try:
                return b"".join([bytes(piece) async for piece in reader.stream(0, size)])
            finally:
                await reader.close()
        except StoreError as error:
            raise translated(error) from error

    async def digest(self, store: str, storage_key: str, size: int, names: list[str]) -> Digests:
        """Read stored bytes back and compute their digests: the proof that they are what was sent."""
        digests = Digests(names)
        try:
            reader = await self.store(store).open_blob(storage_key)
            try:
                await self._read(reader, size, digests.update)
            finally:
                await reader.close()
        except StoreError as error:
            raise translated(error) from error
        return digests

    async def _read(self, reader: BlobReader, size: int, take: Callable[[Buffers], None]) -> None:
        loop = asyncio.get_running_loop()
        hashed: asyncio.Future[None] | None = None
        async for piece in reader.stream(0, size):
            if hashed is not None:
                await hashed
            hashed = loop.run_in_executor(self._hashing, take, (piece,))
        if hashed is not None:
            await hashed


def within(limit: int, size: int) -> None:
    """Raise FileTooLargeError where there are more bytes than there may be."""
    if size > limit:
        raise FileTooLargeError(size, limit)


def settle(source: Source, digests: Digests) -> None:
    """Let the sender's side check what it announced, and check the rest here."""
    source.finish(digests)
    source.expect.verify(digests)


def _blob_by_identity(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    return select(schema.blobs.c.id).where(schema.blobs.c.identity == bindparam("identity"))
