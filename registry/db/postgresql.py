"""PostgreSQL, through asyncpg: the engine that any number of gateways share.

READ COMMITTED with advisory locks taken first: what is read after the lock is what the last holder
committed. Locks are taken in one statement in one order, so that no two transactions wait in a ring.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from registry.db.database import BatchWork, Change, Lock
from registry.db.statements import POSTGRESQL, Execute, Maker, Row, Statement, Work, compiled
from registry.errors import ConflictError, RegistryError, StorageFullError, StorageUnavailableError

BATCH = 256
"""Changes committed together at the most."""

WRITERS = 2
"""Batches in flight at once: while one waits for its commit, the next one is prepared."""

ATTEMPTS = 4
"""How often a read is tried, or a batch that the database certainly did not take, before requests are refused."""

CLOSING = 10
"""Seconds that the database has to say good-bye."""

ASKING = (0.05, 0.2, 0.5, 1, 2, 4, 8)
"""Seconds between the questions what became of a transaction whose COMMIT was not answered."""

_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver, of a session that was ended while it was idle
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)
"""The connection is gone; the next one may be better."""

_DOWN = (
    *_LOST,
    asyncpg.OperatorInterventionError,  # cancelled
    asyncpg.InsufficientResourcesError,  # disk, memory or connections used up
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby
    asyncpg.InvalidAuthorizationSpecificationError,
)
_REPEATABLE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


class _UndoneError(Exception):
    """The transaction was certainly rolled back, though nothing was wrong with it."""


class _InDoubtError(Exception):
    """The answer to COMMIT was lost, and nobody could be asked what became of the transaction."""


def _unavailable(error: BaseException) -> RegistryError:
    if isinstance(error, asyncpg.DiskFullError):
        return StorageFullError(f"There is no room for the records: {error}. Nothing was stored.")
    return StorageUnavailableError(f"The database does not answer: {str(error) or type(error).__name__}. Try again.")


def _pause(attempt: int) -> float:
    """Seconds before the next attempt: time for the loop to notice which other connections are dead."""
    return 0.01 * (1 << 2 * attempt)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what the database fails with in the registry's words."""
    try:
        yield
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        if isinstance(cause, _REPEATABLE):
            raise ConflictError from error
        if isinstance(cause, _DOWN) or error.connection_invalidated:
            raise _unavailable(cause or error) from error
        raise
    except _REPEATABLE as error:
        raise ConflictError from error
    except _DOWN as error:
        raise _unavailable(error) from error


class PostgresqlDatabase:
    """See `registry.db.database.Database`."""

    def __init__(self, url: str, batch: BatchWork, *, connections: int = 10) -> None:
        self.url = url
        self._batch = batch
        self._connections = connections
        self._statements: dict[Maker, Statement] = {}
        self._waiting: deque[tuple[Change[Any], asyncio.Future[Any]]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._writers: list[asyncio.Task[None]] = []
        self._pool: asyncpg.Pool[Any]
        self._engine: AsyncEngine

    async def open(self) -> None:
        parsed = make_url(self.url)
        try:
            self._pool = await asyncpg.create_pool(
                parsed.set(drivername="postgresql").render_as_string(hide_password=False),
                min_size=1,
                max_size=self._connections,
                command_timeout=60,
                server_settings={"application_name": "artifact-store", "jit": "off"},
            )
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            where = parsed.render_as_string(hide_password=True)
            raise StorageUnavailableError(
                f"cannot reach the database {where}: {str(error) or type(error).__name__}"
            ) from error
        self._engine = create_async_engine(self.url, pool_size=5, max_overflow=5, pool_pre_ping=True)
        self._writers = [asyncio.create_task(self._write()) for _ in range(WRITERS)]

    async def close(self) -> None:
        self._closing = True
        self._wake.set()
        await asyncio.gather(*self._writers)
        await self._engine.dispose()
        try:
            await asyncio.wait_for(self._pool.close(), CLOSING)
        except TimeoutError:
            self._pool.terminate()

    async def probe(self) -> None:
        async with self.transaction() as connection:
            await connection.execute(text("DELETE FROM accounts WHERE id = ''"))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with _translated():
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                yield connection

    @asynccontextmanager
    async def transaction(self, *locks: Lock) -> AsyncIterator[AsyncConnection]:
        with _translated():
            async with self._engine.begin() as connection:
                raw = await connection.get_raw_connection()
                if locks:
                    # Begins the transaction that the driver's own statements below then run in.
                    await connection.execute(text("SELECT 1"))
                    await take(raw.driver_connection, locks)
                yield connection

    def _statement(self, maker: Maker) -> Statement:
        statement = self._statements.get(maker)
        if statement is None:
            statement = self._statements[maker] = compiled(maker(POSTGRESQL), POSTGRESQL)
        return statement

    async def point(self, maker: Maker, parameters: Mapping[str, Any]) -> Row | None:
        statement = self._statement(maker)
        return await self._read("fetchrow", statement, parameters)

    async def rows(self, maker: Maker, parameters: Mapping[str, Any]) -> Sequence[Row]:
        found: list[Row] = await self._read("fetch", self._statement(maker), parameters)
        return found

    async def _read(self, method: str, statement: Statement, parameters: Mapping[str, Any]) -> Any:
        """Fetch; again where the pool's connection was found dead, as after a restart of the database."""
        arguments = statement.arguments(parameters)
        with _translated():
            for attempt in range(1, ATTEMPTS):
                try:
                    return await self._fetch(method, statement.text, arguments)
                except TimeoutError:
                    raise
                except _LOST:
                    await asyncio.sleep(_pause(attempt))
            return await self._fetch(method, statement.text, arguments)

    async def _fetch(self, method: str, statement: str, arguments: Sequence[Any]) -> Any:
        async with self._pool.acquire() as connection:
            try:
                return await getattr(connection, method)(statement, *arguments)
            except asyncpg.InternalClientError:
                connection.terminate()  # giving it back would wait for it
                raise

    async def submit(self, change: Change[Any]) -> Any:
        if self._closing:
            raise StorageUnavailableError("The database is being closed.")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((change, future))
        self._wake.set()
        return await future

    async def _write(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            outcomes = await self._commit([change for change, _ in batch])
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if future.done():
                    continue
                if isinstance(outcome, BaseException):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)

    async def _commit(self, changes: list[Change[Any]]) -> list[Any]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._transaction(changes)
            except (_InDoubtError, TimeoutError) as error:
                return [_unavailable(error) for _ in changes]
            except (*_LOST, *_REPEATABLE, _UndoneError) as error:
                # It did not take place: the COMMIT was not sent, or the database says so.
                if attempt == ATTEMPTS:
                    return [_unavailable(error) for _ in changes]
                await asyncio.sleep(_pause(attempt))
            except _DOWN as error:
                return [_unavailable(error) for _ in changes]
            except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
                if len(changes) == 1:
                    return [error]
                # One change the database refuses must not fail its neighbours.
                return [outcome for change in changes for outcome in await self._commit([change])]
        raise AssertionError

    async def _transaction(self, changes: list[Change[Any]]) -> list[Any]:
        async with self._pool.acquire() as connection:
            transaction = connection.transaction()
            try:
                await transaction.start()
            except asyncpg.InternalClientError:
                connection.terminate()  # giving it back would wait for it
                raise
            try:
                await take(connection, [lock for change in changes for lock in change.locks()])
                outcomes = await self._run(connection, self._batch(changes))
                number = await connection.fetchval("SELECT pg_current_xact_id()::text")
            except BaseException:
                if not connection.is_closed():
                    with suppress(*_DOWN):  # what came first is what is told
                        await transaction.rollback()
                raise
            try:
                await transaction.commit()
            except (asyncpg.PostgresError, *_LOST) as error:
                # The answer to COMMIT was lost: ask what became of it, never guess.
                await self._settle(number, error)
            return list(outcomes)

    async def _settle(self, number: str, error: Exception) -> None:
        """Find out what became of a transaction whose COMMIT was not answered; returns if it took place."""
        for delay in ASKING:
            try:
                status = await self._pool.fetchval("SELECT pg_xact_status($1::text::xid8)", number)
            except (*_DOWN, asyncpg.PostgresError):
                status = None
            if status == "committed":
                return
            if status == "aborted":
                raise _UndoneError from error
            await asyncio.sleep(delay)
        raise _InDoubtError(f"the answer to COMMIT was lost: {error}") from error

    async def _run(self, connection: Any, work: Work) -> Any:
        """Drive a unit of work to its end and return its result."""
        try:
            step = next(work)
            while True:
                statement = self._statement(step.maker)
                found: list[Row] = []
                if isinstance(step, Execute):
                    if len(step.rows) == 1:
                        await connection.execute(statement.text, *statement.arguments(step.rows[0]))
                    else:
                        await connection.executemany(statement.text, [statement.arguments(row) for row in step.rows])
                else:
                    found = await connection.fetch(statement.text, *statement.arguments(step.parameters(POSTGRESQL)))
                step = work.send(found)
        except StopIteration as end:
            return end.value


async def take(connection: Any, locks: Iterable[Lock]) -> None:
    """Take the locks, shared ones first, each kind in the order of its numbers.

    Shared locks are only ever on repositories, exclusive ones of repositories are taken alone: no ring.
    """
    wanted = set(locks)
    for shared, call in ((True, "pg_advisory_xact_lock_shared"), (False, "pg_advisory_xact_lock")):
        numbers = sorted({lock.number for lock in wanted if lock.shared is shared})
        if numbers:
            await connection.execute(
                f"SELECT {call}(number) FROM unnest($1::bigint[]) AS wanted(number)",  # noqa: S608 - one of the two
                numbers,
            )
