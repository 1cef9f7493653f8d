"""SQLite: the embedded engine.

WAL with `synchronous=FULL`: a commit is on disk when it returns, and readers never wait for the writer.

SQLite lets one connection write at a time and makes the others poll. So that none polls, every writer
of every process first takes an exclusive `flock` on a file beside the database; the kernel wakes the
next one at once.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from registry.db.database import BatchWork, Change, Lock
from registry.db.statements import SQLITE, Execute, Maker, Row, Statement, Work, compiled
from registry.errors import RegistryError, StorageFullError, StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=30000",
    "PRAGMA cache_size=-65536",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA temp_store=MEMORY",
)
BATCH = 512
"""Changes committed together at the most."""


def _unavailable(error: Exception) -> RegistryError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return StorageFullError(f"There is no room for the records: {error}. Nothing was stored.")
    return StorageUnavailableError(f"The database cannot be used: {error}. Try again.")


class Statements:
    """Statements compiled for SQLite, once each."""

    def __init__(self) -> None:
        self._compiled: dict[Maker, Statement] = {}

    def __getitem__(self, maker: Maker) -> Statement:
        statement = self._compiled.get(maker)
        if statement is None:
            statement = self._compiled[maker] = compiled(maker(SQLITE), SQLITE)
        return statement


class WriteGate:
    """The one place in the queue of writers, across all processes that share the database file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        # A descriptor of its own each time: flock belongs to the open file, so two threads exclude each other too.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class Writer:
    """The thread that commits: takes every change that waits, and commits them in one transaction."""

    def __init__(self, path: str, gate: WriteGate, statements: Statements, batch: BatchWork) -> None:
        self._path = path
        self._gate = gate
        self._statements = statements
        self._batch = batch
        self._waiting: SimpleQueue[tuple[Change[Any], asyncio.Future[Any]] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change[Any]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.put((change, future))
        return future

    async def close(self) -> None:
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        connection = connect(self._path)
        try:
            while (first := self._waiting.get()) is not None:
                last = False
                batch = [first]
                with self._gate.held():
                    # Drained only now: all that came while this waited for its turn goes in the same commit.
                    while len(batch) < BATCH and not self._waiting.empty():
                        item = self._waiting.get()
                        if item is None:
                            last = True
                            break
                        batch.append(item)
                    outcomes = self._commit(connection, [change for change, _ in batch])
                self._loop.call_soon_threadsafe(_resolve, [future for _, future in batch], outcomes)
                if last:
                    break
        finally:
            connection.close()

    def _commit(self, connection: sqlite3.Connection, changes: list[Change[Any]]) -> list[Any]:
        try:
            return self._transaction(connection, changes)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
            if len(changes) == 1:
                return [_unavailable(error) if isinstance(error, sqlite3.Error) else error]
            # One change the database refuses must not fail its neighbours.
            return [outcome for change in changes for outcome in self._commit(connection, [change])]

    def _transaction(self, connection: sqlite3.Connection, changes: list[Change[Any]]) -> list[Any]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = run(connection, self._statements, self._batch(changes))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return list(outcomes)


def _resolve(futures: list[asyncio.Future[Any]], outcomes: list[Any]) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def run(connection: sqlite3.Connection, statements: Statements, work: Work) -> Any:
    """Drive a unit of work to its end and return its result."""
    try:
        step = next(work)
        while True:
            statement = statements[step.maker]
            if isinstance(step, Execute):
                if len(step.rows) == 1:
                    connection.execute(statement.text, statement.arguments(step.rows[0]))
                else:
                    connection.executemany(statement.text, [statement.arguments(row) for row in step.rows])
                found: list[Row] = []
            else:
                found = connection.execute(statement.text, statement.arguments(step.parameters(SQLITE))).fetchall()
            step = work.send(found)
    except StopIteration as end:
        return end.value


def connect(path: str, *, read_only: bool = False) -> sqlite3.Connection:
    """A bare connection, in autocommit: transactions are begun by name."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.row_factory = sqlite3.Row
    for pragma in PRAGMAS:
        connection.execute(pragma).close()
    if read_only:
        connection.execute("PRAGMA query_only=ON").close()
    return connection


class SqliteDatabase:
    """See `registry.db.database.Database`."""

    def __init__(self, url: str, batch: BatchWork) -> None:
        self.url = url
        self._path = make_url(url).database or ""
        if not self._path or self._path == ":memory:":
            raise ValueError("SQLite needs a file: several workers share the database")
        self._batch = batch
        self._statements = Statements()
        self._gate = WriteGate(Path(f"{self._path}-writer"))
        self._in_process = asyncio.Lock()
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._reader: sqlite3.Connection
        self._writer: Writer
        self._readers: ThreadPoolExecutor
        self._engine: AsyncEngine
        self._writing_engine: AsyncEngine

    async def open(self) -> None:
        path = Path(self._path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._reader = connect(self._path, read_only=True)
        except (OSError, sqlite3.Error) as error:
            raise StorageUnavailableError(f"cannot open the database {path}: {error}") from error
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="sqlite-reader")
        self._engine = _engine(self.url, begin="BEGIN")
        # No connection is kept: a transaction is rare, and a kept one would hold its thread.
        self._writing_engine = _engine(self.url, begin="BEGIN IMMEDIATE")
        self._writer = Writer(self._path, self._gate, self._statements, self._batch)

    async def close(self) -> None:
        await self._writer.close()
        await self._engine.dispose()
        await self._writing_engine.dispose()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in [self._reader, *self._opened]:
            connection.close()

    async def probe(self) -> None:
        try:
            async with self.transaction() as connection:
                await connection.execute(text("DELETE FROM accounts WHERE id = ''"))
        except Exception as error:
            raise _unavailable(error) from error

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self, *locks: Lock) -> AsyncIterator[AsyncConnection]:  # noqa: ARG002 - one writer at a time
        async with self._in_process:
            gate = self._gate.held()
            await asyncio.to_thread(gate.__enter__)
            try:
                async with self._writing_engine.begin() as connection:
                    yield connection
            finally:
                gate.__exit__(None, None, None)

    async def point(self, maker: Maker, parameters: Mapping[str, Any]) -> Row | None:
        # In place, on purpose: a look-up takes about 10 µs, handing it to a thread and back five times that.
        statement = self._statements[maker]
        try:
            return self._reader.execute(statement.text, statement.arguments(parameters)).fetchone()
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    async def rows(self, maker: Maker, parameters: Mapping[str, Any]) -> Sequence[Row]:
        statement = self._statements[maker]
        arguments = statement.arguments(parameters)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._rows, statement.text, arguments)

    def _rows(self, statement: str, arguments: tuple[Any, ...]) -> list[Row]:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path, read_only=True)
            self._opened.append(connection)
        try:
            return connection.execute(statement, arguments).fetchall()
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    async def submit(self, change: Change[Any]) -> Any:
        return await self._writer.submit(change)


def _engine(url: str, *, begin: str) -> AsyncEngine:
    engine = create_async_engine(url, poolclass=NullPool)

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, record: Any) -> None:  # noqa: ARG001
        # The driver must not begin transactions of its own: "begin" below says which kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def began(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
