"""The private PostgreSQL that other tests stand on."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg

from tests.services.postgres import Postgres


async def test_fresh_databases_are_apart(fresh_database: Callable[[], str], postgres: Postgres) -> None:
    one, other = fresh_database(), fresh_database()
    assert one.startswith(postgres.url + "/")

    connection = await asyncpg.connect(one.replace("+asyncpg", ""))
    await connection.execute("CREATE TABLE only_here (name text)")
    await connection.close()

    connection = await asyncpg.connect(other.replace("+asyncpg", ""))
    assert await connection.fetchval("SELECT to_regclass('only_here')") is None
    await connection.close()


async def test_the_default_collation_is_not_byte_order(fresh_database: Callable[[], str]) -> None:
    """So that a query that forgets COLLATE "C" shows."""
    connection = await asyncpg.connect(fresh_database().replace("+asyncpg", ""))
    names = await connection.fetch("SELECT name FROM (VALUES ('B'), ('a'), ('b'), ('A')) AS keys (name) ORDER BY name")
    assert [row["name"] for row in names] != ["A", "B", "a", "b"]
    await connection.close()
