"""A URL -> the engine that it names."""

from __future__ import annotations

from sqlalchemy.engine import make_url

from registry.db.database import BatchWork, Database


def open_database(url: str, batch: BatchWork) -> Database:
    """The engine for a URL: `sqlite+aiosqlite:///path` or `postgresql+asyncpg://…`.

    Raises ValueError naming what is wrong with the URL.
    """
    parsed = make_url(url)
    if parsed.drivername == "sqlite+aiosqlite":
        from registry.db.sqlite import SqliteDatabase  # noqa: PLC0415 - only the driver in use is loaded

        return SqliteDatabase(url, batch)
    if parsed.drivername == "postgresql+asyncpg":
        from registry.db.postgresql import PostgresqlDatabase  # noqa: PLC0415

        return PostgresqlDatabase(url, batch)
    raise ValueError(
        f"unknown kind of database {parsed.drivername!r}: use sqlite+aiosqlite:///PATH or postgresql+asyncpg://…"
    )
