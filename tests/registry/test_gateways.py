"""Several gateways on one database and one store, each with its own memory of what it has seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.filesystem import FilesystemStore
from registry.db.migrate import migrate
from registry.errors import (
    ConflictError,
    FileNotFoundInRegistryError,
    InvalidArgumentError,
    PreconditionFailedError,
    RegistryError,
    RepositoryExistsError,
    RepositoryNotEmptyError,
    RepositoryNotFoundError,
    RepositoryOwnedError,
    UploadNotFoundError,
)
from registry.files import WriteConditions
from registry.model import FileAttributes, FileVersion, Upload, UploadPart
from registry.uploads import CompletedPart
from tests.registry.world import Bytes, World

BIG = b"0123456789abcdef" * 8192


@pytest.fixture
async def gateways(database_url: str, tmp_path: Path) -> AsyncIterator[list[World]]:
    await migrate(database_url)
    worlds = [await World.open(database_url, FilesystemStore(tmp_path / "blobs")) for _ in range(2)]
    await worlds[0].repository()
    yield worlds
    for world in worlds:
        await world.close()


async def nothing_is_loose(world: World) -> None:
    """The store holds the bytes of every blob's row, and none that no row names."""
    assert {blob.key async for blob in world.store.walk()} == await world.storage_keys()
    assert await world.packages() == await world.recounted()


async def begin(world: World, key: str, data: bytes) -> tuple[Upload, UploadPart]:
    uploads = world.registry.uploads
    upload = await uploads.create(world.alice, "evidence", key, FileAttributes())
    return upload, await uploads.put_part(world.alice, "evidence", key, upload.id, 1, Bytes(data))


async def complete(world: World, upload: Upload, part: UploadPart, *, if_none_match: str | None = None) -> FileVersion:
    named = [CompletedPart(part.number, part.etag)]
    conditions = WriteConditions(if_none_match=if_none_match)
    return await world.registry.uploads.complete(
        world.alice, "evidence", upload.key, upload.id, named, conditions=conditions
    )


@pytest.mark.parametrize("data", [b"equal", BIG])
async def test_equal_bytes_at_once(gateways: list[World], data: bytes) -> None:
    puts = [world.put(f"run-{number}/{index}", data) for number in range(8) for index, world in enumerate(gateways)]
    versions = await asyncio.gather(*puts)
    assert len({version.blob_id for version in versions}) == 1
    assert len(await gateways[0].storage_keys()) == 1
    await nothing_is_loose(gateways[0])
    for world in gateways:
        assert await world.read("run-7/1") == data


async def test_one_creator_wins(gateways: list[World]) -> None:
    create_only = WriteConditions(if_none_match="*")
    puts = [
        world.put("run/lock", f"{number}{index}".encode(), conditions=create_only)
        for number in range(8)
        for index, world in enumerate(gateways)
    ]
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert sum(isinstance(outcome, FileVersion) for outcome in outcomes) == 1
    assert all(isinstance(outcome, FileVersion | PreconditionFailedError) for outcome in outcomes)
    await nothing_is_loose(gateways[0])


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("if_none_match", [None, "*"])
async def test_one_completion_asked_for_many_times(
    gateways: list[World], if_none_match: str | None, *, known: bool
) -> None:
    if known:
        await gateways[0].put("run/known", BIG)
    upload, part = await begin(gateways[0], "run/big", BIG)
    asked = [complete(world, upload, part, if_none_match=if_none_match) for _ in range(4) for world in gateways]
    versions = await asyncio.gather(*asked)
    assert len({version.id for version in versions}) == 1
    assert await gateways[1].read("run/big") == BIG
    await nothing_is_loose(gateways[0])


async def test_completing_and_aborting_at_once(gateways: list[World]) -> None:
    for turn in range(6):
        key = f"run/{turn}"
        upload, part = await begin(gateways[0], key, BIG + str(turn).encode())
        abort = gateways[1].registry.uploads.abort(gateways[1].alice, "evidence", key, upload.id)
        completed, aborted = await asyncio.gather(complete(gateways[0], upload, part), abort, return_exceptions=True)
        if isinstance(completed, FileVersion):
            assert isinstance(aborted, UploadNotFoundError)
            assert await gateways[1].read(key) == BIG + str(turn).encode()
        else:
            assert isinstance(completed, RegistryError)
            assert aborted is None
            with pytest.raises(FileNotFoundInRegistryError):
                await gateways[1].read(key)


async def test_parts_that_come_while_completing_leave_nothing(gateways: list[World]) -> None:
    world = gateways[0]
    upload, part = await begin(world, "run/big", BIG)
    late = [
        world.registry.uploads.put_part(world.alice, "evidence", "run/big", upload.id, number, Bytes(b"late"))
        for number in range(2, 12)
    ]
    outcomes = await asyncio.gather(complete(world, upload, part), *late, return_exceptions=True)
    assert isinstance(outcomes[0], FileVersion)
    assert all(isinstance(outcome, UploadPart | UploadNotFoundError) for outcome in outcomes[1:])
    assert await world.count("upload_parts") == 0
    await nothing_is_loose(world)


async def test_a_repository_of_the_same_name_is_another_one(gateways: list[World]) -> None:
    one, two = gateways
    await two.registry.repositories.get(two.alice, "evidence")
    await one.registry.repositories.delete(one.alice, "evidence")
    await one.repository()
    await two.put("run/a")
    assert await one.keys() == ["run/a"]
    with pytest.raises(RepositoryNotEmptyError):
        await two.registry.repositories.delete(two.alice, "evidence")
    await one.registry.files.delete(one.alice, "evidence", "run/a")
    await one.registry.repositories.delete(one.alice, "evidence")
    await one.repository()
    await two.registry.repositories.delete(two.alice, "evidence")
    with pytest.raises(RepositoryNotFoundError):
        await one.registry.repositories.refreshed("evidence")
    with pytest.raises(RepositoryNotFoundError):
        await two.put("run/b")


async def test_writing_while_repositories_come_and_go(gateways: list[World]) -> None:
    async def build(world: World) -> None:
        for _ in range(15):
            try:
                await world.repository()
            except (RepositoryOwnedError, RepositoryExistsError, RepositoryNotFoundError):
                await asyncio.sleep(0)

    async def tear_down(world: World) -> None:
        for _ in range(15):
            world.clock.advance(0.3)
            try:
                await world.registry.repositories.delete(world.alice, "evidence")
            except (RepositoryNotEmptyError, RepositoryNotFoundError):
                await asyncio.sleep(0)

    async def write(world: World, name: str) -> None:
        for number in range(20):
            try:
                await world.put(f"{name}/{number}", str(number).encode())
                await world.registry.files.delete(world.alice, "evidence", f"{name}/{number}")
            except (RepositoryNotFoundError, ConflictError):
                await asyncio.sleep(0)

    one, two = gateways
    await asyncio.gather(build(one), tear_down(two), write(one, "run-1"), write(two, "run-2"))
    assert await one.count("files") == await one.count("packages") == await one.count("file_versions") == 0


async def test_a_registry_without_retention_classes_says_so(gateways: list[World]) -> None:
    world = gateways[0]
    await world.execute("DELETE FROM retention_classes")
    with pytest.raises(InvalidArgumentError):
        await asyncio.wait_for(world.put("run/a"), 5)
    await world.put("loose")


@pytest.mark.parametrize("data", [b"small", b""])
async def test_bytes_that_went_are_stored_after_all(
    gateways: list[World], monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    world = gateways[0]

    async def known(identity: str) -> bool:
        assert identity
        return True

    monkeypatch.setattr(world.registry._blobs, "known", known)
    await world.put("run/a", data)
    assert await world.read("run/a") == data
    with pytest.raises(InvalidArgumentError):
        await world.put("run-2/a", data + b"!", attributes=FileAttributes(metadata={"retention-class": "none"}))
    await nothing_is_loose(world)
