"""A registry of its own for every test, on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from backends.memory import MemoryStore
from registry.db.migrate import migrate
from tests.registry.world import World


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/registry.db"
    fresh: Callable[[], str] = request.getfixturevalue("fresh_database")
    return fresh()


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """An open registry with two accounts."""
    await migrate(database_url)
    world = await World.open(database_url, MemoryStore())
    yield world
    await world.close()
