"""Refused authentications: told one by one, counted in a flood, and never with what may be a secret."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from registry import authentication_log
from registry.authentication_log import Refusal
from registry.db import schema
from registry.errors import StorageUnavailableError
from tests.registry.world import World

SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"


def refusal(access_key: str | None = None, address: str = "192.0.2.1") -> Refusal:
    return Refusal("SignatureDoesNotMatch", "s3", "GET /evidence/run-1/a", access_key, address, "REQUEST1")


async def written(world: World) -> Sequence[Any]:
    await world.registry.authentication_log.close()
    table = schema.audit_entries
    async with world.registry._database.read() as connection:
        query = select(table).where(table.c.action == "auth.fail").order_by(table.c.id)
        return (await connection.execute(query)).mappings().all()


async def test_a_refusal_is_an_entry(world: World) -> None:
    key, _ = await world.registry.accounts.create_key("alice")
    world.registry.authentication_log.add(refusal(key.access_key))
    [entry] = await written(world)
    told = {name: entry[name] for name in ("at", "access_key", "source_address", "request_id", "outcome", "resource")}
    assert told == {
        "at": world.clock(),
        "access_key": key.access_key,
        "source_address": "192.0.2.1",
        "request_id": "REQUEST1",
        "outcome": "denied",
        "resource": "GET /evidence/run-1/a",
    }
    assert json.loads(entry["detail"]) == {"code": "SignatureDoesNotMatch", "face": "s3"}


async def test_a_revoked_key_is_named(world: World) -> None:
    key, _ = await world.registry.accounts.create_key("alice")
    await world.registry.accounts.revoke_key(key.access_key)
    world.registry.authentication_log.add(refusal(key.access_key))
    [entry] = await written(world)
    assert entry["access_key"] == key.access_key


@pytest.mark.parametrize("claimed", [SECRET, "\x00", "\udcff\n", "é" * 5000])
async def test_what_is_no_key_of_ours_is_not_kept(world: World, claimed: str) -> None:
    world.registry.authentication_log.add(refusal(claimed))
    [entry] = await written(world)
    assert entry["access_key"] is None
    assert len(json.loads(entry["detail"])["unknown_access_key"]) <= 5
    assert SECRET not in str(dict(entry))


async def test_a_flood_is_counted(world: World) -> None:
    for _ in range(1000):
        world.registry.authentication_log.add(refusal())
    world.registry.authentication_log.add(refusal(address="192.0.2.2"))
    entries = await written(world)
    assert len(entries) == authentication_log.EACH + 2
    assert [entry["source_address"] for entry in entries].count("192.0.2.2") == 1, "others are not drowned"
    assert json.loads(entries[-1]["detail"]) == {"code": "TooMany", "refusals": 1000 - authentication_log.EACH}


async def test_a_flood_from_everywhere_is_counted(world: World) -> None:
    for number in range(5000):
        world.registry.authentication_log.add(refusal(address=f"2001:db8::{number:x}"))
    entries = await written(world)
    assert len(entries) == authentication_log.ALL + authentication_log.ADDRESSES + 1
    counted = sum(json.loads(entry["detail"]).get("refusals", 1) for entry in entries)
    assert counted == 5000
    assert entries[-1]["source_address"] is None


async def test_it_goes_on_after_each_write(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication_log, "WINDOW", 0)
    log = world.registry.authentication_log
    for _ in range(2):
        for _ in range(authentication_log.EACH):
            log.add(refusal())
        assert log._writing is not None
        await log._writing
    assert len(await written(world)) == 2 * authentication_log.EACH


async def test_a_database_that_fails_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: object) -> None:
        raise StorageUnavailableError("no disk")

    with monkeypatch.context() as patch:
        patch.setattr(world.registry._database, "submit", fail)
        world.registry.authentication_log.add(refusal())
        await world.registry.authentication_log.close()
    assert "1 refused authentications could not be audited" in caplog.text
    world.registry.authentication_log.add(refusal())
    assert len(await written(world)) == 1
