"""A registry with accounts, and short words for what tests say often."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

from sqlalchemy import select, text

from backends.store import BlobStore, Buffers
from registry.db import schema
from registry.digests import Digests
from registry.errors import AccountExistsError
from registry.files import UNCONDITIONAL, WriteConditions
from registry.model import Actor, FileAttributes, FileVersion, RetentionClass
from registry.registry import Registry
from registry.source import Expect

DAY = 86_400
CLASSES = [
    RetentionClass("transient", 7 * DAY, rank=1),
    RetentionClass("raw-evidence", 30 * DAY, rank=2),
    RetentionClass("summary-evidence", 365 * DAY, rank=3),
    RetentionClass("release-evidence", 7 * 366 * DAY, rank=4),
    RetentionClass("permanent-record", None, rank=5),
]


class Bytes:
    """Bytes as a source."""

    def __init__(self, data: bytes, expect: Expect | None = None, piece: int = 1 << 19) -> None:
        self._data = data
        self._piece = piece
        self.length: int | None = len(data)
        self.expect = expect or Expect()

    async def __aiter__(self) -> AsyncIterator[Buffers]:
        for start in range(0, len(self._data), self._piece):
            yield (self._data[start : start + self._piece],)

    def finish(self, digests: Digests) -> None:
        assert digests.size == len(self._data)


class Clock:
    """A clock that stands still until told."""

    def __init__(self, start: int = 1_800_000_000_000_000) -> None:
        self.at = start

    def __call__(self) -> int:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += int(seconds * 1_000_000)


@dataclass
class World:
    registry: Registry
    store: BlobStore
    clock: Clock
    alice: Actor
    bob: Actor
    root: Actor

    @classmethod
    async def open(cls, database_url: str, store: BlobStore, clock: Clock | None = None) -> Self:
        clock = clock or Clock()
        await store.open()
        registry = Registry(database_url=database_url, store=store, master_key=bytes(32), clock=clock)
        await registry.open()
        await registry.retention.seed(CLASSES)
        actors = []
        for name in ("alice", "bob", "root"):
            try:
                account = await registry.accounts.create(name, administrator=name == "root")
            except AccountExistsError:
                account = await registry.accounts.get(name)
            actors.append(Actor(account.id, name, administrator=name == "root", request_id=os.urandom(4).hex()))
        return cls(registry, store, clock, *actors)

    async def close(self) -> None:
        await self.registry.close()
        await self.store.close()

    @staticmethod
    def bytes(data: bytes) -> Bytes:
        return Bytes(data)

    async def execute(self, statement: str) -> None:
        """Alter rows behind the registry's back."""
        async with self.registry._database.transaction() as connection:
            await connection.execute(text(statement))
        self.registry.repositories._cache.clear()

    async def repository(self, name: str = "evidence", **settings: bool) -> str:
        await self.registry.repositories.create(self.alice, name, **settings)
        return name

    async def put(
        self,
        key: str,
        data: bytes = b"data",
        *,
        repository: str = "evidence",
        attributes: FileAttributes | None = None,
        conditions: WriteConditions = UNCONDITIONAL,
        actor: Actor | None = None,
        checksum: str | None = None,
    ) -> FileVersion:
        return await self.registry.files.put(
            actor or self.alice,
            repository,
            key,
            Bytes(data, Expect(checksum_algorithm=checksum)),
            attributes or FileAttributes(),
            conditions=conditions,
            checksum=checksum,
        )

    async def read(self, key: str, *, repository: str = "evidence", version_id: str | None = None) -> bytes:
        version = await self.registry.files.get(self.alice, repository, key, version_id)
        return await self.read_version(version)

    async def read_version(self, version: FileVersion) -> bytes:
        reader = await self.registry.files.open(version)
        try:
            return b"".join([bytes(piece) async for piece in reader.stream(0, version.size)])
        finally:
            await reader.close()

    async def keys(self, repository: str = "evidence") -> list[str]:
        return [file.key for file in (await self.registry.files.list(self.alice, repository)).files]

    async def packages(self, repository: str = "evidence") -> dict[str, tuple[int, int]]:
        """Size and number of files of each package, as its row says."""
        query = (
            select(schema.packages.c.name, schema.packages.c.size, schema.packages.c.file_count)
            .join(schema.repositories, schema.repositories.c.id == schema.packages.c.repository_id)
            .where(schema.repositories.c.name == repository)
        )
        async with self.registry._database.read() as connection:
            return {name: (size, count) for name, size, count in await connection.execute(query)}

    async def count(self, table: str) -> int:
        """The number of rows of a table."""
        async with self.registry._database.read() as connection:
            return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())

    async def storage_keys(self) -> set[str]:
        """What the store is to hold."""
        async with self.registry._database.read() as connection:
            return set((await connection.execute(select(schema.blob_locations.c.storage_key))).scalars())

    async def recounted(self, repository: str = "evidence") -> dict[str, tuple[int, int]]:
        """The same, counted anew from what is listed (packages are named by one segment)."""
        counted: dict[str, tuple[int, int]] = {}
        for file in (await self.registry.files.list(self.alice, repository)).files:
            name, slash, _ = file.key.partition("/")
            if slash:
                size, count = counted.get(name, (0, 0))
                counted[name] = size + file.size, count + 1
        return counted
