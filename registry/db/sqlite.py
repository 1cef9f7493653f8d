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
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from registry.db.database import BatchWork, Change, Lock
from registry.db.statements import SQLITE, Execute, Maker, Row, Statement, Work, compiled
from registry.errors import RegistryError, StorageFullError, StorageUnavailableError

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


def _is_trouble(error: BaseException) -> bool:
    """Whether it is the database that fails, whatever was asked of it; otherwise something is wrong with one change."""
    ours = sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError | sqlite3.InterfaceError
    return isinstance(error, sqlite3.Error | OSError) and not isinstance(error, ours)


def _unavailable(error: BaseException) -> RegistryError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return StorageFullError(f"There is no room for the records: {error}. Nothing was stored.")
    return StorageUnavailableError(f"The database cannot be used: {error}. Try again.")


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what the database fails with in the registry's words."""
    try:
        yield
    except DBAPIError as error:
        if error.orig is not None and _is_trouble(error.orig):
            raise _unavailable(error.orig) from error
        raise
    except (OSError, sqlite3.Error) as error:
        if _is_trouble(error):
            raise _unavailable(error) from error
        raise


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

    def take(self) -> int:
        """Wait for the turn. Returns the descriptor that holds it: closing it lets the next one in."""
        # A descriptor of its own each time: flock belongs to the open file, so two threads exclude each other too.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the turn, in a thread."""
        descriptor = self.take()
        try:
            yield
        finally:
            os.close(descriptor)

    @asynccontextmanager
    async def awaited(self) -> AsyncIterator[None]:
        """Hold the turn, in a task."""
        taking = asyncio.get_running_loop().run_in_executor(None, self.take)
        try:
            descriptor = await asyncio.shield(taking)
        except asyncio.CancelledError:
            # The thread cannot be called back: when it gets its turn, it passes it on.
            taking.add_done_callback(_pass_on)
            raise
        try:
            yield
        finally:
            os.close(descriptor)


def _pass_on(taken: asyncio.Future[int]) -> None:
    if not taken.cancelled() and taken.exception() is None:
        os.close(taken.result())


class Writer:
    """The thread that commits: takes every change that waits, and commits them in one transaction."""

    def __init__(
        self, connection: sqlite3.Connection, gate: WriteGate, statements: Statements, batch: BatchWork
    ) -> None:
        self._connection = connection
        self._gate = gate
        self._statements = statements
        self._batch = batch
        self._waiting: SimpleQueue[tuple[Change[Any], asyncio.Future[Any]] | None] = SimpleQueue()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change[Any]) -> asyncio.Future[Any]:
        if self._closing:
            raise StorageUnavailableError("The database is being closed.")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.put((change, future))
        return future

    async def close(self) -> None:
        """Commit what waits, and end."""
        self._closing = True
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            last = False
            while not last and (first := self._waiting.get()) is not None:
                batch = [first]
                try:
                    with self._gate.held():
                        # Drained only now: all that came while this waited for its turn goes in the same commit.
                        last = self._drain(batch)
                        outcomes = self._commit([change for change, _ in batch])
                except OSError as error:
                    outcomes = [_unavailable(error) for _ in batch]
                self._loop.call_soon_threadsafe(_resolve, [future for _, future in batch], outcomes)
        finally:
            self._connection.close()

    def _drain(self, batch: list[tuple[Change[Any], asyncio.Future[Any]]]) -> bool:
        """Add what waits to the batch; says whether the end was among it."""
        while len(batch) < BATCH and not self._waiting.empty():
            item = self._waiting.get()
            if item is None:
                return True
            batch.append(item)
        return False

    def _commit(self, changes: list[Change[Any]]) -> list[Any]:
        try:
            return self._transaction(changes)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
            if _is_trouble(error):
                return [_unavailable(error) for _ in changes]
            if len(changes) == 1:
                return [error]
            # One change the database refuses must not fail its neighbours.
            return [outcome for change in changes for outcome in self._commit([change])]

    def _transaction(self, changes: list[Change[Any]]) -> list[Any]:
        connection = self._connection
        if connection.in_transaction:
            connection.execute("ROLLBACK")  # the last one, in trouble, could not be
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
    try:
        for pragma in (*PRAGMAS, "PRAGMA query_only=ON") if read_only else PRAGMAS:
            connection.execute(pragma).close()
    except BaseException:
        connection.close()
        raise
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
            # One at a time: that the journal is a write-ahead log is said once, with nobody else in the file.
            async with self._gate.awaited():
                writing = connect(self._path)
            self._reader = connect(self._path, read_only=True)
        except (OSError, sqlite3.Error) as error:
            raise StorageUnavailableError(f"cannot open the database {path}: {error}") from error
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="sqlite-reader")
        self._engine = _engine(self.url, begin="BEGIN")
        # No connection is kept: a transaction is rare, and a kept one would hold its thread.
        self._writing_engine = _engine(self.url, begin="BEGIN IMMEDIATE")
        self._writer = Writer(writing, self._gate, self._statements, self._batch)

    async def close(self) -> None:
        await self._writer.close()
        await self._engine.dispose()
        await self._writing_engine.dispose()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in [self._reader, *self._opened]:
            connection.close()

    async def probe(self) -> None:
        async with self.transaction() as connection:
            await connection.execute(text("DELETE FROM accounts WHERE id = ''"))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with _translated():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self, *locks: Lock) -> AsyncIterator[AsyncConnection]:  # noqa: ARG002 - one writer at a time
        with _translated():
            async with self._in_process, self._gate.awaited(), self._writing_engine.begin() as connection:
                yield connection

    async def point(self, maker: Maker, parameters: Mapping[str, Any]) -> Row | None:
        # In place, on purpose: a look-up takes about 10 µs, handing it to a thread and back five times that.
        statement = self._statements[maker]
        try:
            return self._reader.execute(statement.text, statement.arguments(parameters)).fetchone()
        except sqlite3.OperationalError as error:
            raise _unavailable(error) from error

    async def rows(self, maker: Maker, parameters: Mapping[str, Any]) -> Sequence[Row]:
        statement = self._statements[maker]
        arguments = statement.arguments(parameters)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._rows, statement.text, arguments)

    def _rows(self, statement: str, arguments: tuple[Any, ...]) -> list[Row]:
        with _translated():
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = connect(self._path, read_only=True)
                self._opened.append(connection)
            return connection.execute(statement, arguments).fetchall()

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
