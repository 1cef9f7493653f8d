"""Files: what is put can be read, replaced, listed and deleted; conditions and retries do what they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from backends.store import Buffers
from registry.errors import (
    AccessDeniedError,
    FileNotFoundInRegistryError,
    InvalidKeyError,
    KeyTooLongError,
    OverwriteDeniedError,
    PreconditionFailedError,
    RepositoryNotEmptyError,
    RepositoryNotFoundError,
)
from registry.files import Deletion, WriteConditions
from registry.model import FileAttributes
from tests.registry.world import World


@pytest.mark.parametrize("size", [0, 1, 4096, 65_536, 65_537, 3_000_000])
async def test_what_is_put_is_read_back(world: World, size: int) -> None:
    await world.repository()
    data = bytes(range(256)) * (size // 256 + 1)
    version = await world.put("run-1/data.bin", data[:size])
    assert version.size == size
    assert await world.read("run-1/data.bin") == data[:size]


async def test_a_put_replaces(world: World) -> None:
    await world.repository()
    await world.put("run-1/a", b"one")
    await world.put("run-1/a", b"two")
    assert await world.read("run-1/a") == b"two"
    assert await world.keys() == ["run-1/a"]


async def test_equal_bytes_are_stored_once(world: World) -> None:
    await world.repository()
    one = await world.put("a", b"same")
    two = await world.put("b", b"same")
    big = b"x" * 200_000
    three, four = await asyncio.gather(world.put("c", big), world.put("d", big))
    assert one.blob_id == two.blob_id
    assert three.blob_id == four.blob_id
    stored = [blob async for blob in world.store.walk()]
    assert len(stored) == 2


async def test_a_retry_is_no_new_version(world: World) -> None:
    await world.repository()
    first = await world.put("a", b"same")
    world.clock.advance(60)
    again = await world.put("a", b"same")
    assert again.id == first.id
    assert again.created_at == first.created_at + 60_000_000
    listed = await world.registry.files.list(world.alice, "evidence")
    assert listed.files[0].modified_at == again.created_at


async def test_attributes_come_back_as_they_were(world: World) -> None:
    await world.repository()
    attributes = FileAttributes(
        content_type="text/plain; charset=utf-8",
        headers={"cache-control": "no-cache"},
        metadata={"run": "42", "ü": "é"},
        storage_class="GLACIER",
    )
    await world.put("a", b"1", attributes=attributes)
    assert (await world.registry.files.get(world.alice, "evidence", "a")).attributes == attributes


async def test_conditions(world: World) -> None:
    await world.repository()
    create_only = WriteConditions(if_none_match="*")
    version = await world.put("a", b"1", conditions=create_only)
    with pytest.raises(PreconditionFailedError):
        await world.put("a", b"2", conditions=create_only)
    with pytest.raises(PreconditionFailedError):
        await world.put("a", b"2", conditions=WriteConditions(if_match="0" * 32))
    with pytest.raises(FileNotFoundInRegistryError):
        await world.put("b", b"2", conditions=WriteConditions(if_match="*"))
    await world.put("a", b"2", conditions=WriteConditions(if_match=version.etag))
    assert await world.read("a") == b"2"


async def test_of_many_creators_one_wins(world: World) -> None:
    await world.repository()
    create_only = WriteConditions(if_none_match="*")
    outcomes = await asyncio.gather(
        *(world.put("lock", str(number).encode(), conditions=create_only) for number in range(50)),
        return_exceptions=True,
    )
    winners = [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)]
    assert len(winners) == 1
    assert await world.read("lock") == str(winners[0]).encode()


async def test_refused_bytes_do_not_stay(world: World) -> None:
    await world.repository()
    for key, data in (("a", b"other"), ("b", b"large" * 100_000)):
        with pytest.raises(PreconditionFailedError):
            await world.registry.files.put(
                world.alice,
                "evidence",
                key,
                Overtaken(world, key, data),
                FileAttributes(),
                conditions=WriteConditions(if_none_match="*"),
            )
        assert await world.read(key) == b"sooner"
    assert len([blob async for blob in world.store.walk()]) == 1


async def test_delete(world: World) -> None:
    await world.repository()
    await world.put("run-1/a")
    await world.registry.files.delete(world.alice, "evidence", "run-1/a")
    await world.registry.files.delete(world.alice, "evidence", "run-1/a")
    with pytest.raises(FileNotFoundInRegistryError):
        await world.read("run-1/a")
    await world.registry.repositories.delete(world.alice, "evidence")
    with pytest.raises(RepositoryNotFoundError):
        await world.registry.repositories.refreshed("evidence")


async def test_delete_many(world: World) -> None:
    await world.repository()
    for number in range(20):
        await world.put(f"run-1/{number}", str(number).encode())
    deleted = await world.registry.files.delete_many(
        world.alice, "evidence", [Deletion(f"run-1/{number}") for number in range(30)]
    )
    assert [one.key for one in deleted] == [f"run-1/{number}" for number in range(30)]
    assert await world.keys() == []


async def test_copy_moves_no_byte(world: World) -> None:
    await world.repository()
    source = await world.put("a", b"data", attributes=FileAttributes(content_type="text/plain"))
    source = await world.registry.files.get(world.alice, "evidence", "a")
    copied = await world.registry.files.copy(world.alice, source, "evidence", "b")
    assert copied.blob_id == source.blob_id
    assert copied.attributes.content_type == "text/plain"
    assert await world.read("b") == b"data"


async def test_a_repository_may_refuse_to_replace(world: World) -> None:
    await world.repository()
    await world.execute("UPDATE repositories SET overwrite = 'deny'")
    await world.put("a", b"1")
    with pytest.raises(OverwriteDeniedError):
        await world.put("a", b"2")
    await world.put("a", b"1")


async def test_others_are_kept_out(world: World) -> None:
    await world.repository()
    with pytest.raises(AccessDeniedError):
        await world.put("a", actor=world.bob)
    await world.put("a", actor=world.root)


async def test_keys_that_name_nothing(world: World) -> None:
    await world.repository()
    for key in ("", "a\x00b", "a\nb", "\x7f", "\ud800"):
        with pytest.raises(InvalidKeyError):
            await world.put(key)
    with pytest.raises(KeyTooLongError):
        await world.put("é" * 513)
    await world.put("é" * 512)


async def test_a_repository_with_files_stays(world: World) -> None:
    await world.repository()
    await world.put("a")
    with pytest.raises(RepositoryNotEmptyError):
        await world.registry.repositories.delete(world.alice, "evidence")


async def test_versions(world: World) -> None:
    await world.repository("locked", object_lock=True)
    one = await world.put("a", b"1", repository="locked")
    two = await world.put("a", b"2", repository="locked")
    assert one.version_id != two.version_id != "null"
    assert await world.read("a", repository="locked", version_id=one.version_id) == b"1"
    files = world.registry.files
    deleted = await files.delete(world.alice, "locked", "a")
    assert deleted.delete_marker
    assert await world.keys("locked") == []
    await files.delete(world.alice, "locked", "a", deleted.marker_version_id)
    assert await world.read("a", repository="locked") == b"2"
    await files.delete(world.alice, "locked", "a", two.version_id)
    assert await world.read("a", repository="locked") == b"1"


class Overtaken:
    """A source during which another one creates the file: later than the early check can see."""

    def __init__(self, world: World, key: str, data: bytes) -> None:
        self._world = world
        self._key = key
        self._source = world.bytes(data)
        self.length = len(data)
        self.expect = self._source.expect
        self.finish = self._source.finish

    async def __aiter__(self) -> AsyncIterator[Buffers]:
        await self._world.put(self._key, b"sooner")
        async for batch in self._source:
            yield batch
