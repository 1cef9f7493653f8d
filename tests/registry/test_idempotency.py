"""Requests that come twice."""

from __future__ import annotations

import asyncio

import pytest

from registry.errors import ConflictError, InvalidRequestError
from registry.model import KeptAnswer
from tests.registry.world import World

ANSWER = KeptAnswer(201, {"Location": "/packages/pkg_1", "ETag": '"a"'}, b'{"id": "pkg_1"}')


async def test_the_first_answer_is_given_again(world: World) -> None:
    room = world.registry.idempotency
    assert await room.begin(world.alice, "key", "print") is None
    with pytest.raises(ConflictError):
        await room.begin(world.alice, "key", "print")
    await room.finish(world.alice, "key", ANSWER)
    assert await room.begin(world.alice, "key", "print") == ANSWER
    with pytest.raises(InvalidRequestError):
        await room.begin(world.alice, "key", "another")
    await room.finish(world.alice, "key", None)
    assert await room.begin(world.alice, "key", "print") == ANSWER


async def test_accounts_do_not_share_keys(world: World) -> None:
    room = world.registry.idempotency
    assert await room.begin(world.alice, "key", "print") is None
    assert await room.begin(world.bob, "key", "another") is None


async def test_one_of_many_at_once_goes_first(world: World) -> None:
    room = world.registry.idempotency
    begun = await asyncio.gather(*(room.begin(world.alice, "key", "p") for _ in range(8)), return_exceptions=True)
    assert begun.count(None) == 1
    assert sum(isinstance(one, ConflictError) for one in begun) == 7


async def test_a_failed_request_frees_the_key(world: World) -> None:
    room = world.registry.idempotency
    await room.begin(world.alice, "key", "print")
    await room.finish(world.alice, "key", None)
    assert await room.begin(world.alice, "key", "another") is None


async def test_a_claim_ends_when_its_gateway_died(world: World) -> None:
    room = world.registry.idempotency
    await room.begin(world.alice, "key", "print")
    world.clock.advance(14 * 60)
    with pytest.raises(ConflictError):
        await room.begin(world.alice, "key", "print")
    world.clock.advance(2 * 60)
    assert await room.begin(world.alice, "key", "print") is None


async def test_an_answer_is_kept_for_a_day(world: World) -> None:
    room = world.registry.idempotency
    await room.begin(world.alice, "key", "print")
    await room.finish(world.alice, "key", ANSWER)
    world.clock.advance(24 * 3600 - 1)
    assert await room.begin(world.alice, "key", "print") == ANSWER
    world.clock.advance(1)
    assert await room.begin(world.alice, "key", "another") is None
