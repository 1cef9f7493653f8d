"""The database under load and in trouble: neighbours in a batch, cancelled and late requests, text it cannot hold."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backends.filesystem import FilesystemStore
from registry.db.migrate import migrate
from registry.errors import (
    RepositoryNotFoundError,
    StorageUnavailableError,
    UnknownAccessKeyError,
    UploadNotFoundError,
    VersionNotFoundError,
)
from registry.model import FileAttributes
from registry.registry import Registry
from tests.registry.world import World

NOT_TEXT = ["\x00", "a\x00b", "\ud800", "\udfff/"]
"""What PostgreSQL or UTF-8 cannot hold, as a percent-decoded URL may."""


async def test_a_change_the_database_refuses_fails_alone(world: World) -> None:
    await world.repository()
    half_a_lock = FileAttributes(lock_mode="COMPLIANCE")
    no_text = FileAttributes(storage_class="\ud800")
    outcomes = await asyncio.gather(
        *(world.put(f"run/{number}", str(number).encode()) for number in range(10)),
        world.put("run/refused", attributes=half_a_lock),
        world.put("run/no-text", attributes=no_text),
        *(world.put(f"run/{number}", str(number).encode()) for number in range(10, 20)),
        return_exceptions=True,
    )
    failed = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)]
    assert failed == [10, 11]
    assert len(await world.keys()) == 20


async def test_puts_and_deletes_of_one_key_in_one_batch(world: World) -> None:
    await world.repository()
    files = world.registry.files
    for turn in range(6):
        steps = [
            world.put("run/a", b"one"),
            files.delete(world.alice, "evidence", "run/a"),
            world.put("run/a", b"three"),
            files.delete(world.alice, "evidence", "run/a"),
            world.put("run/a", b"other"),
            world.put("run/b", b"b"),
        ]
        await asyncio.gather(*steps[turn:], *steps[:turn])
        assert await world.packages() == await world.recounted()


async def test_metadata_comes_back_whatever_characters_it_has(world: World) -> None:
    await world.repository()
    attributes = FileAttributes(metadata={"odd": "\ud800\x00é"}, content_type="text/\udcff")
    await world.put("a", attributes=attributes)
    assert (await world.registry.files.get(world.alice, "evidence", "a")).attributes == attributes


@pytest.mark.parametrize("odd", NOT_TEXT)
async def test_names_that_no_database_can_hold_are_not_found(world: World, odd: str) -> None:
    await world.repository()
    await world.put("a")
    files, uploads = world.registry.files, world.registry.uploads
    with pytest.raises(RepositoryNotFoundError):
        await files.get(world.alice, odd, "a")
    with pytest.raises(VersionNotFoundError):
        await files.get(world.alice, "evidence", "a", odd)
    with pytest.raises(UploadNotFoundError):
        await uploads.get(world.alice, "evidence", "a", odd)
    with pytest.raises(UploadNotFoundError):
        await uploads.abort(world.alice, "evidence", "a", odd)
    with pytest.raises(UnknownAccessKeyError):
        await world.registry.accounts.credential(odd)
    await files.delete(world.alice, "evidence", "a", odd)
    assert await world.keys() == ["a"]


@pytest.mark.parametrize("odd", NOT_TEXT)
async def test_listings_bounded_by_what_no_key_holds(world: World, odd: str) -> None:
    await world.repository()
    for key in ("A", "a", "a!", "b", "\ud7ff", "\ue000"):
        await world.put(key)
        await world.registry.uploads.create(world.alice, "evidence", key, FileAttributes())
    keys = sorted(await world.keys(), key=str.encode)
    files, uploads = world.registry.files, world.registry.uploads
    page = await files.list(world.alice, "evidence", prefix=odd)
    assert (list(page.files), list(page.prefixes)) == ([], [])
    assert not (await uploads.list(world.alice, "evidence", prefix=odd)).uploads
    page = await files.list(world.alice, "evidence", delimiter=odd)
    assert [file.key for file in page.files] == keys
    assert [upload.key for upload in (await uploads.list(world.alice, "evidence", delimiter=odd)).uploads] == keys
    behind = [key for key in keys if key.encode() > odd.encode("utf-8", "surrogatepass")]
    assert [file.key for file in (await files.list(world.alice, "evidence", after=odd)).files] == behind
    listed = await uploads.list(world.alice, "evidence", key_marker=odd, upload_id_marker=odd)
    assert [upload.key for upload in listed.uploads] == behind
    assert not await world.registry.repositories.list(world.alice, prefix=odd)


async def test_a_repository_prefix_is_case_sensitive(world: World) -> None:
    await world.repository()
    assert not await world.registry.repositories.list(world.alice, prefix="EV")
    assert len(await world.registry.repositories.list(world.alice, prefix="ev")) == 1


@pytest.mark.parametrize("data", [b"small", b"large" * 50_000])
async def test_a_cancelled_request_may_still_commit(world: World, data: bytes) -> None:
    await world.repository()
    outcomes = []
    for turns in range(30):
        key = f"run/{turns}"
        request = asyncio.create_task(world.put(key, data + str(turns).encode()))
        for _ in range(turns):
            await asyncio.sleep(0)
        request.cancel()
        outcomes += await asyncio.gather(request, return_exceptions=True)
    await world.put("last", b"last")  # whatever was queued is committed before
    for key in await world.keys():
        if key != "last":
            assert await world.read(key) == data + key.removeprefix("run/").encode()
    assert all(isinstance(outcome, asyncio.CancelledError) or outcome for outcome in outcomes)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "step" in repr(task)]


async def test_closing_commits_what_waits_and_refuses_what_comes_later(database_url: str, tmp_path: Path) -> None:
    await migrate(database_url)
    store = FilesystemStore(tmp_path / "blobs")
    world = await World.open(database_url, store)
    await world.repository()
    puts = [asyncio.create_task(world.put(f"run/{number}", str(number).encode())) for number in range(50)]
    while not any(task.done() for task in puts):
        await asyncio.sleep(0)
    await world.registry.close()
    outcomes = await asyncio.wait_for(asyncio.gather(*puts, return_exceptions=True), 20)
    with pytest.raises(StorageUnavailableError):
        await asyncio.wait_for(world.registry.files.delete(world.alice, "evidence", "run/0"), 5)
    for outcome in outcomes:
        assert not isinstance(outcome, BaseException) or isinstance(outcome, StorageUnavailableError)
    again = Registry(database_url=database_url, store=store, master_key=bytes(32))
    await again.open()
    for number, outcome in enumerate(outcomes):
        if not isinstance(outcome, BaseException):
            await again.files.get(world.alice, "evidence", f"run/{number}")
    await again.close()
    await store.close()
