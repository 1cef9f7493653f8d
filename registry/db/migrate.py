"""Bringing a database to the schema of this release, and no further back."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from registry.errors import StorageUnavailableError

_LOCK = 0x61727469666163  # "artifac", the advisory lock of migrations


async def migrate(url: str) -> tuple[str | None, str]:
    """Bring the database to the newest revision; returns (revision before, revision after).

    All of it or nothing takes place. Safe to run from several processes at once, and on a database that is already
    there. Raises StorageUnavailableError with a line that says what is wrong; so it does for a database that a newer
    release has brought further.
    """
    with _alone(url):
        return await _with_connection(url, _upgrade)


async def revisions(url: str) -> tuple[str | None, str]:
    """(revision of the database, newest revision)."""
    return await _with_connection(url, _compare)


async def _with_connection(url: str, act: Any) -> tuple[str | None, str]:
    engine = create_async_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        async with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
                await connection.commit()
            outcome: tuple[str | None, str] = await connection.run_sync(act)
            await connection.commit()
            return outcome
    except (TimeoutError, OSError, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StorageUnavailableError(
            f"cannot open the database {make_url(url).render_as_string(hide_password=True)}: {reason}"
        ) from error
    finally:
        await engine.dispose()


def _prepare(connection: Any, record: Any) -> None:  # noqa: ARG001
    """SQLite: one transaction around all of it, which the driver would otherwise end before every table.

    Foreign keys are not enforced meanwhile: SQLite alters a table by copying and dropping it, and dropping cascades.
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=OFF"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """SQLite: one process at a time brings the schema up. PostgreSQL takes an advisory lock instead."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        yield
        return
    path = Path(f"{parsed.database}-writer")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise StorageUnavailableError(f"cannot open the database {parsed.database}: {error}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return configuration


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_configuration())


def _compare(connection: Connection) -> tuple[str | None, str]:
    newest = _scripts().get_current_head()
    return MigrationContext.configure(connection).get_current_revision(), newest or ""


def _upgrade(connection: Connection) -> tuple[str | None, str]:
    before, newest = _compare(connection)
    if before is not None and before not in {script.revision for script in _scripts().walk_revisions()}:
        raise StorageUnavailableError(
            f"the database is at revision {before}, which this release does not know (its newest is {newest}): a newer "
            "release of artifact-store made it, and only that one or a later one can use it"
        )
    if before != newest:
        configuration = _configuration()
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")
    return before, newest
