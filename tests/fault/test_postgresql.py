"""PostgreSQL cut off, away, or undecided: no answer is wrong, and the registry recovers by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy.engine import make_url

from backends.memory import MemoryStore
from registry.db import postgresql
from registry.db.database import Lock, Scope
from registry.db.migrate import migrate
from registry.errors import RegistryError, StorageUnavailableError
from registry.files import WriteConditions
from tests.fault.severing_proxy import Cut, SeveringProxy
from tests.registry.world import World
from tests.services.postgres import Postgres


@pytest.fixture
async def proxy(postgres: Postgres) -> AsyncIterator[SeveringProxy]:
    async with SeveringProxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture
async def world(proxy: SeveringProxy, fresh_database: Callable[[], str]) -> AsyncIterator[World]:
    """A registry that reaches its database through the proxy."""
    url = fresh_database()
    await migrate(url)
    through = make_url(url).set(port=proxy.port).render_as_string(hide_password=False)
    world = await World.open(through, MemoryStore())
    await world.repository()
    yield world
    await world.close()


@pytest.mark.parametrize("cut", Cut)
async def test_an_answer_to_commit_that_is_lost(world: World, proxy: SeveringProxy, cut: Cut) -> None:
    await world.put("run/before")
    proxy.cut = cut
    # Asked blindly once more, it would find itself in its way.
    version = await world.put("run/a", b"a", conditions=WriteConditions(if_none_match="*"))
    assert proxy.cut is None
    assert (await world.registry.files.get(world.alice, "evidence", "run/a")).id == version.id
    assert await world.packages() == await world.recounted()
    assert {blob.key async for blob in world.store.walk()} == await world.storage_keys()


async def test_a_commit_nobody_can_be_asked_about(
    world: World, proxy: SeveringProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "ASKING", (0.01, 0.01))
    await world.put("run/before")
    proxy.cut = Cut.AFTER_COMMIT
    proxy.refusing = True
    put = asyncio.create_task(world.put("run/a", b"a"))
    while proxy.cut is not None:
        await asyncio.sleep(0.001)
    await proxy.drop_all()
    with pytest.raises(StorageUnavailableError):
        await put
    proxy.refusing = False
    # It took place after all: the bytes must not have been dropped.
    assert await world.read("run/a") == b"a"


async def test_cut_connections_are_made_anew(world: World, proxy: SeveringProxy) -> None:
    for turn in range(5):
        await world.put(f"run/{turn}")
        await proxy.drop_all()
        assert await world.read(f"run/{turn}") == b"data"
        await proxy.drop_all()
        assert len(await world.keys()) == turn + 1
        await proxy.drop_all()


async def test_cut_while_many_write(world: World, proxy: SeveringProxy) -> None:
    async def cutting() -> None:
        for _ in range(10):
            await asyncio.sleep(0.02)
            await proxy.drop_all()

    async def writing(writer: int) -> list[str]:
        done = []
        for number in range(20):
            key = f"run-{writer}/{number}"
            try:
                await world.put(key, key.encode())
            except StorageUnavailableError:
                continue
            done.append(key)
        return done

    *written, _ = await asyncio.gather(*(writing(writer) for writer in range(8)), cutting())
    there = set(await world.keys())
    assert {key for keys in written for key in keys or ()} <= there
    for key in there:
        assert await world.read(key) == key.encode()
    assert await world.packages() == await world.recounted()


async def test_while_the_database_is_away(world: World, proxy: SeveringProxy) -> None:
    await world.put("run/a")
    proxy.refusing = True
    await proxy.drop_all()
    registry = world.registry
    world.clock.advance(10)
    for attempt in (
        lambda: world.put("run/b"),
        lambda: registry.files.get(world.alice, "evidence", "run/a"),
        lambda: registry.files.list(world.alice, "evidence"),
        lambda: registry.files.delete(world.alice, "evidence", "run/a"),
        lambda: registry.repositories.create(world.alice, "another"),
        lambda: registry.repositories.list(world.alice),
        lambda: registry.accounts.create("carol"),
        lambda: registry.uploads.list(world.alice, "evidence"),
        registry.files._database.probe,
    ):
        with pytest.raises(StorageUnavailableError):
            await attempt()
    proxy.refusing = False
    await registry.files._database.probe()
    assert await world.read("run/a") == b"data"
    await world.put("run/b")


async def test_sessions_that_are_terminated(world: World, postgres: Postgres) -> None:
    await world.put("run/a")
    database = make_url(world.registry.files._database.url).database
    end = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}'"
    for turn in range(3):
        await asyncio.to_thread(postgres.execute, end)
        assert await world.read("run/a") == b"data"
        await asyncio.to_thread(postgres.execute, end)
        await world.put("run/a", str(turn).encode())
        await asyncio.to_thread(postgres.execute, end)
        assert await world.registry.repositories.list(world.alice)
        await world.put("run/a")


async def test_transactions_that_wait_in_a_ring(world: World) -> None:
    database = world.registry.files._database
    one, two = Lock(Scope.JOB, "one"), Lock(Scope.JOB, "two")
    first, second = asyncio.Event(), asyncio.Event()

    async def hold(mine: Lock, other: Lock, held: asyncio.Event, both: asyncio.Event) -> None:
        async with database.transaction(mine) as connection:
            held.set()
            await both.wait()
            raw = await connection.get_raw_connection()
            await postgresql.take(raw.driver_connection, [other])

    outcomes = await asyncio.gather(
        hold(one, two, first, second), hold(two, one, second, first), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert len(refused) == 1
    assert isinstance(refused[0], RegistryError)
