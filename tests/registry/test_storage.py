"""Health and usage of what rows and bytes are kept in."""

from __future__ import annotations

import pytest

from backends.store import StoreUnavailableError
from registry.errors import AccessDeniedError
from registry.model import FileAttributes, RepositoryUsage
from tests.registry.world import World


async def test_health(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await world.registry.storage.health() == {"database": None, "store": None}

    async def probe() -> None:
        raise StoreUnavailableError("the disk is gone")

    monkeypatch.setattr(world.store, "probe", probe)
    checks = await world.registry.storage.health()
    assert checks["database"] is None
    assert "the disk is gone" in (checks["store"] or "")


async def test_usage(world: World) -> None:
    await world.repository()
    await world.repository("other-one")
    await world.put("run/a", b"12345")
    await world.put("run/b", b"12345", attributes=FileAttributes(content_type="x/y"))
    await world.put("run/c", b"123")
    usage = await world.registry.storage.usage(world.root)
    assert (usage.blobs, usage.blob_bytes) == (2, 8)
    assert usage.repositories == [RepositoryUsage("evidence", 3, 13), RepositoryUsage("other-one", 0, 0)]
    assert usage.store_free is None or usage.store_free > 0
    with pytest.raises(AccessDeniedError):
        await world.registry.storage.usage(world.alice)


async def test_older_versions_take_room(world: World) -> None:
    await world.repository(object_lock=True)
    await world.put("run/a", b"12345")
    await world.put("run/a", b"123")
    usage = await world.registry.storage.usage(world.root)
    assert usage.repositories == [RepositoryUsage("evidence", 1, 8)]
