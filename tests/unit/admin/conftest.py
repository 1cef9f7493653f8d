"""A REST face of its own for every test."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import ClientSession, web

from backends.memory import MemoryStore
from gateway.admin.call import PREFIX
from gateway.admin.face import Configuration, application, documentation
from gateway.http.logging import Json, Log
from gateway.http.metrics import Metrics
from gateway.http.middleware import observed
from gateway.http.problem import problems
from registry.db.migrate import migrate
from registry.registry import Registry
from tests.registry.world import World
from tests.unit.admin.rest import KEY, PACKAGE, SECRET, Rest, Room


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the whole schema and no rows, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "registry.db"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
async def rest(migrated: Path, tmp_path: Path) -> AsyncIterator[Rest]:
    url = f"sqlite+aiosqlite:///{tmp_path}/registry.db"
    shutil.copytree(migrated.parent, tmp_path, dirs_exist_ok=True)
    world = await World.open(url, MemoryStore())
    await world.registry.accounts.create_key("alice", access_key=KEY, secret_key=SECRET)
    await world.registry.repositories.create(world.alice, "evidence")
    rooms = SimpleNamespace(
        accounts=world.registry.accounts,
        authentication_log=world.registry.authentication_log,
        files=world.registry.files,
        uploads=world.registry.uploads,
        repositories=world.registry.repositories,
        idempotency=world.registry.idempotency,
        packages=Room(get=PACKAGE),
        retention=Room(),
        holds=Room(),
        audit=Room(),
        events=Room(),
        webhooks=Room(),
        storage=Room(),
    )
    root = web.Application(middlewares=[observed(Metrics(), Log(Json(), "error")), problems])
    root.add_subapp(PREFIX, application(cast("Registry", rooms), Configuration()))
    root.router.add_get("/docs", documentation())
    runner = web.AppRunner(root, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with ClientSession() as session:
        yield Rest("http://{}:{}".format(*runner.addresses[0][:2]), session, world, rooms)
    await runner.cleanup()
    await world.close()
