"""The feed of events: whoever reads on from a place misses none."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import insert

from registry import event_log, events
from registry.db import schema
from registry.errors import AccessDeniedError
from registry.model import Event
from tests.registry.world import World


async def feed(world: World, after: str | None = None, limit: int = 100, **criteria: str) -> list[Event]:
    found: list[Event] = []
    while True:
        page = await world.registry.events.list(world.root, after=after, limit=limit, **criteria)  # type: ignore[arg-type]
        found += page.items
        if page.next is None:
            return found
        after = page.next


async def test_oldest_first_in_pages(world: World) -> None:
    await world.repository()
    for number in range(5):
        await world.put(f"run/{number}")
    whole = await feed(world)
    assert [event.type for event in whole] == ["repository.created", "package.created", *["file.put"] * 5]
    assert [event.id for event in whole] == [*range(1, 8)]
    assert await feed(world, limit=2) == whole
    assert await feed(world, after=str(whole[3].id)) == whole[4:]
    puts = await feed(world, type="file.put", package_id=whole[-1].package_id or "")
    assert [event.payload["key"] for event in puts] == [f"run/{number}" for number in range(5)]
    assert {event.repository for event in whole} == {"evidence"}


async def test_an_account_reads_of_its_repositories(world: World) -> None:
    await world.repository()
    await world.registry.repositories.create(world.bob, "bobs-own")
    page = await world.registry.events.list(world.bob)
    assert [event.repository for event in page.items] == ["bobs-own"]
    with pytest.raises(AccessDeniedError):
        await world.registry.events.list(world.bob, repository="evidence")
    assert [event.repository for event in await feed(world, repository="evidence")] == ["evidence"]


async def test_a_long_search_answers_in_stretches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.repository()
    for number in range(9):
        await world.put(f"run/{number}")
    await world.registry.files.delete(world.alice, "evidence", "run/3")
    monkeypatch.setattr(event_log, "STRETCH", 2)
    assert [event.type for event in await feed(world, type="file.deleted")] == ["file.deleted"]


# SQLite has one writer at a time: there this cannot happen.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_is_committed_late_is_not_missed(world: World) -> None:
    """A row takes its id, another one takes the next and is committed and read: the first still comes."""
    await world.repository()
    database = world.registry._database
    rows = [events.event(1, "test.late", {"number": number}) for number in range(2)]
    seen = [event.id for event in await feed(world)]
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def late() -> None:
        async with database.transaction() as connection:
            await connection.execute(insert(schema.events).values(rows[0]))
            begun.set()
            await go_on.wait()

    task = asyncio.create_task(late())
    await begun.wait()
    async with database.transaction() as connection:
        await connection.execute(insert(schema.events).values(rows[1]))
    early = await feed(world, after=str(seen[-1]))
    assert [event.payload["number"] for event in early] == [1]
    go_on.set()
    await task
    rest = await feed(world, after=str(early[-1].id))
    assert [event.payload["number"] for event in rest] == [0]


async def test_places_are_given_once_by_many_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.repository()
    for number in range(20):
        await world.put(f"run/{number}")
    monkeypatch.setattr(event_log, "PLACED", 3)
    await asyncio.gather(*(world.registry.events.settle() for _ in range(5)))
    assert [event.id for event in await feed(world)] == [*range(1, 23)]
