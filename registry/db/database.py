"""The database as the rest of the registry sees it.

Two ways in, one truth:

- `read` and `transaction` give a SQLAlchemy connection: the ordinary way, for everything that is rare.
- `point`, `rows` and `submit` are for what runs thousands of times a second: statements compiled once,
  on the bare driver, and writes of many requests committed together by one writer.

Both engines keep the same promise: when `submit` or the end of a `transaction` returns, the rows are
durable; a change that is refused leaves nothing but what it chose to record. A database that does not
answer raises StorageUnavailableError, one without room StorageFullError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from registry.db.statements import Maker, Row, Work

T_co = TypeVar("T_co", covariant=True)


class Scope(Enum):
    """What a lock covers."""

    REPOSITORY = "repository"
    PACKAGE = "package"
    FILE = "file"
    BLOB = "blob"
    UPLOAD = "upload"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that lasts until the transaction ends. Taken in one order, so that none waits in a ring.

    SQLite has one writer at a time and needs none of them. PostgreSQL takes advisory locks: unlike row
    locks they also cover what does not exist yet.
    """

    scope: Scope
    name: str
    shared: bool = False

    @property
    def number(self) -> int:
        """A signed 64-bit number. Two names that collide wait for one another, nothing worse."""
        digest = hashlib.blake2b(f"{self.scope.value}\0{self.name}".encode("utf-8", "surrogatepass"), digest_size=8)
        return int.from_bytes(digest.digest(), "big", signed=True)


class Change(Protocol[T_co]):
    """What one request wants changed, to be committed together with others.

    See `registry.changes` for how a batch of them becomes one unit of work.
    """

    def locks(self) -> Sequence[Lock]:
        """What the change needs to itself."""


class Database(Protocol):
    """An engine: `registry.db.sqlite.SqliteDatabase` or `registry.db.postgresql.PostgresqlDatabase`."""

    url: str

    async def open(self) -> None:
        """Connect. Raises StorageUnavailableError with a line that says what is wrong."""

    async def close(self) -> None:
        """Commit what was submitted and let go of every connection."""

    async def probe(self) -> None:
        """Prove that it answers and can be written."""

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for queries, which see one state of the database."""

    def transaction(self, *locks: Lock) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection in a transaction that writes, holding `locks`; committed when the block ends well."""

    async def point(self, maker: Maker, parameters: Mapping[str, Any]) -> Row | None:
        """One row by a look-up in an index; never for anything that scans."""

    async def rows(self, maker: Maker, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """Some rows (a page); may take milliseconds, so it never blocks the event loop."""

    async def submit(self, change: Change[T_co]) -> T_co:
        """Commit a change, together with whatever else is waiting. Raises what the change refused with."""


class BatchWork(Protocol):
    """How a batch of changes becomes one unit of work; the result is a list of outcomes in their order."""

    def __call__(self, changes: Sequence[Any], /) -> Work:
        """The unit of work."""
