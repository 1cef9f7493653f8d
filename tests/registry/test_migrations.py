"""Migrations: from nothing to exactly the schema, all or nothing, once however many processes ask."""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from registry.db import schema
from registry.db.migrate import migrate, revisions
from registry.errors import StorageUnavailableError

ROOT = Path(__file__).parents[2]


async def on(url: str, act: Any) -> Any:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(act)
    finally:
        await engine.dispose()


def described(connection: Connection) -> dict[str, Any]:
    """All that the database says of its tables, in an order of its own making."""
    inspector = inspect(connection)
    tables: dict[str, Any] = {}
    for name in inspector.get_table_names():
        if name == "alembic_version":
            continue
        tables[name] = {
            "columns": [
                (c["name"], str(c["type"]), getattr(c["type"], "collation", None), c["nullable"], c["default"])
                for c in inspector.get_columns(name)
            ],
            "primary key": inspector.get_pk_constraint(name),
            "foreign keys": ordered(inspector.get_foreign_keys(name)),
            "unique": ordered(inspector.get_unique_constraints(name)),
            "checks": ordered(inspector.get_check_constraints(name)),
            "indexes": ordered(inspector.get_indexes(name)),
        }
        if connection.dialect.name == "sqlite":
            sql = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": name})
            tables[name]["rowid"] = "WITHOUT ROWID" not in str(sql.scalar_one())
    return tables


def ordered(things: list[Any]) -> list[str]:
    return sorted(re.sub(r"\s+", " ", str(sorted(said(thing).items()))) for thing in things)


def said(thing: dict[str, Any]) -> dict[str, Any]:
    """With the text of clauses in the place of the clauses."""
    return {key: said(value) if isinstance(value, dict) else str(value) for key, value in thing.items()}


async def test_the_schema_is_what_the_code_says(database_url: str, tmp_path: Path, request: Any) -> None:
    assert (await migrate(database_url))[0] is None
    migrated = await on(database_url, described)
    if database_url.startswith("sqlite"):
        other = f"sqlite+aiosqlite:///{tmp_path}/created.db"
    else:
        other = request.getfixturevalue("fresh_database")()
    await on(other, schema.metadata.create_all)
    created = await on(other, described)
    assert set(migrated) == set(created)
    for table, description in created.items():
        assert migrated[table] == description, table


async def test_again_changes_nothing(database_url: str) -> None:
    _, newest = await migrate(database_url)
    before = await on(database_url, described)
    assert await migrate(database_url) == (newest, newest)
    assert await revisions(database_url) == (newest, newest)
    assert await on(database_url, described) == before


async def test_from_several_processes_at_once(database_url: str) -> None:
    program = f"""
import asyncio
from registry.db.migrate import migrate
from registry.registry import Registry
from backends.memory import MemoryStore

async def main():
    await migrate({database_url!r})
    registry = Registry(database_url={database_url!r}, store=MemoryStore(), master_key=bytes(32))
    await registry.open()
    await registry.close()

asyncio.run(main())
"""
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT, stderr=PIPE) for _ in range(4)
    ]
    told = [(await process.communicate())[1].decode() for process in started]
    assert told == [""] * 4
    assert [process.returncode for process in started] == [0] * 4
    before, newest = await revisions(database_url)
    assert before == newest


async def test_a_migration_that_fails_leaves_nothing(database_url: str) -> None:
    def fail(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "CREATE TABLE upload_parts" in statement:
            raise OSError("the machine went down")

    event.listen(Engine, "before_cursor_execute", fail)
    try:
        with pytest.raises(StorageUnavailableError):
            await migrate(database_url)
    finally:
        event.remove(Engine, "before_cursor_execute", fail)
    assert await on(database_url, described) == {}
    await migrate(database_url)


async def test_a_database_of_a_newer_release_is_left_alone(database_url: str) -> None:
    await migrate(database_url)
    await on(
        database_url, lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    )
    with pytest.raises(StorageUnavailableError, match=r"revision 9999.*newer release"):
        await migrate(database_url)


async def test_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for url in (f"sqlite+aiosqlite:///{tmp_path}/file/registry.db", "postgresql+asyncpg://nobody@127.0.0.1:1/none"):
        with pytest.raises(StorageUnavailableError, match="cannot open the database"):
            await migrate(url)
