"""Packages: born by their first file, frozen by finalizing, described by a manifest, gone only when they may."""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import suppress

import pytest

from registry import manifest
from registry.errors import (
    FileNotFoundInRegistryError,
    InvalidArgumentError,
    InvalidRequestError,
    PackageExistsError,
    PackageNotFoundError,
    PackageStateError,
    PreconditionFailedError,
    ProtectedError,
    RepositoryNotEmptyError,
    RepositoryOwnedError,
)
from registry.files import Deletion, WriteConditions
from registry.model import FileAttributes, Package, PackageQuery, PackageStatus
from registry.sha256sums import SumsDifferError
from tests.registry.world import DAY, World


async def run(world: World, name: str = "run-1", files: int = 3) -> Package:
    """A repository with a package that has files."""
    with suppress(RepositoryOwnedError):
        await world.repository()
    for number in range(files):
        await world.put(f"{name}/file-{number}", f"{name} {number}".encode())
    return await world.registry.packages.find(world.alice, "evidence", name)


def sums(name: str = "run-1", files: int = 3) -> dict[str, str]:
    return {f"file-{n}": hashlib.sha256(f"{name} {n}".encode()).hexdigest() for n in range(files)}


async def test_the_first_file_makes_the_package(world: World) -> None:
    package = await run(world)
    assert package.status is PackageStatus.UPLOADING
    assert (package.file_count, package.size, package.explicit) == (3, 21, False)
    assert package.retention_class == "raw-evidence"
    assert package.expires_at == package.created_at + 30 * DAY * 1_000_000
    await world.put("loose", b"x")
    listed = await world.registry.packages.list(world.alice, PackageQuery(repository="evidence"))
    assert [one.name for one in listed.items] == ["run-1"]


async def test_an_emptied_implicit_package_is_none(world: World) -> None:
    package = await run(world)
    await world.registry.files.delete_many(world.alice, "evidence", [Deletion(key) for key in await world.keys()])
    with pytest.raises(PackageNotFoundError):
        await world.registry.packages.get(world.alice, package.id)
    await world.registry.repositories.delete(world.alice, "evidence")


async def test_finalizing_freezes_in_every_way(world: World) -> None:
    package = await run(world)
    frozen = await world.registry.packages.finalize(world.alice, package.id)
    assert (frozen.status, frozen.revision) == (PackageStatus.FINALIZED, 1)
    for key in ("run-1/file-0", "run-1/new", "run-1/.artifact/manifest.json"):
        with pytest.raises((ProtectedError, InvalidArgumentError)):
            await world.put(key, b"other")
    with pytest.raises(ProtectedError) as refused:
        await world.registry.files.delete(world.alice, "evidence", "run-1/file-0")
    assert refused.value.reasons[0].kind == "finalized"
    assert "run-1" in refused.value.message
    with pytest.raises(ProtectedError):
        await world.registry.files.delete(world.alice, "evidence", "run-1/.artifact/manifest.json")
    source = await world.registry.files.get(world.alice, "evidence", "run-1/file-1")
    with pytest.raises(ProtectedError):
        await world.registry.files.copy(world.alice, source, "evidence", "run-1/file-0")
    with pytest.raises(RepositoryNotEmptyError):
        await world.registry.repositories.delete(world.alice, "evidence")
    again = await world.put("run-1/file-0", b"run-1 0")
    assert again.key == "run-1/file-0"
    assert await world.registry.packages.finalize(world.alice, package.id) == frozen


async def test_the_manifest_tells_what_there_is(world: World) -> None:
    package = await run(world)
    await world.registry.packages.update(
        world.alice, package.id, metadata={"run_id": "1"}, labels={"team": "a"}, producer="ci", change_producer=True
    )
    frozen = await world.registry.packages.finalize(world.alice, package.id)
    document = await world.registry.packages.manifest(world.alice, package.id)
    assert hashlib.sha256(document).hexdigest() == frozen.manifest_sha256
    assert document == await world.read("run-1/.artifact/manifest.json")
    told = manifest.decode(document)
    assert {file.path: file.sha256 for file in told.files} == sums()
    assert (told.metadata, told.labels, told.producer) == ({"run_id": "1"}, {"team": "a"}, "ci")
    assert told.expires_at == frozen.expires_at
    listing = (await world.read("run-1/.artifact/SHA256SUMS")).decode()
    assert listing == "".join(f"{digest}  {path}\n" for path, digest in sums().items())
    described = json.loads(await world.read("run-1/.artifact/package.json"))
    assert described == {"run_id": "1", "labels": {"team": "a"}, "producer": "ci", "retention_class": "raw-evidence"}


async def test_finalizing_against_a_list(world: World) -> None:
    package = await run(world)
    wrong = {**sums(), "missing": "0" * 64, "file-1": "1" * 64}
    del wrong["file-2"]
    with pytest.raises(SumsDifferError) as refused:
        await world.registry.packages.finalize(world.alice, package.id, sums=wrong)
    found = refused.value.differences
    assert (found.missing, found.unlisted, found.mismatched[0].path) == (("missing",), ("file-2",), "file-1")
    assert (await world.registry.packages.get(world.alice, package.id)).status is PackageStatus.UPLOADING
    await world.registry.packages.finalize(world.alice, package.id, sums=sums())


async def test_with_s3_alone(world: World) -> None:
    await world.repository()
    await world.put("run-1/.artifact/package.json", b'{"run_id": "r", "retention_class": "release-evidence"}')
    for number in range(3):
        await world.put(f"run-1/file-{number}", f"run-1 {number}".encode())
    package = await world.registry.packages.find(world.alice, "evidence", "run-1")
    assert (package.metadata, package.retention_class, package.file_count) == ({"run_id": "r"}, "release-evidence", 3)
    listing = "".join(f"{digest}  ./{path}\n" for path, digest in sums().items()).encode()
    answered = await world.put("run-1/.artifact/SHA256SUMS", listing, checksum="CRC32")
    assert answered.etag == hashlib.md5(listing).hexdigest()
    assert await world.read("run-1/.artifact/SHA256SUMS") == listing
    package = await world.registry.packages.get(world.alice, package.id)
    assert package.status is PackageStatus.FINALIZED
    await world.put("run-1/.artifact/SHA256SUMS", listing)
    await world.put("run-1/.artifact/finalize", b"")
    await world.put("run-1/.artifact/amend", b"")
    await world.put("run-1/late", b"scorecard")
    await world.put("run-1/.artifact/finalize", b"")
    package = await world.registry.packages.get(world.alice, package.id)
    assert (package.revision, package.file_count) == (2, 4)


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("run-1/.artifact/other", b""),
        ("run-1/.artifact/manifest.json", b"{}"),
        ("run-1/.artifact/package.json", b"not json"),
        ("run-1/.artifact/package.json", b"[]"),
        ("run-1/.artifact/package.json", b'{"retention_class": "unheard-of"}'),
        ("run-1/.artifact/package.json", b'{"labels": {"a": 1}}'),
        ("run-1/.artifact/package.json", b'{"n": 1e400}'),
        ("run-1/.artifact/package.json", json.dumps({"long": "x" * 300_000}).encode()),
        ("run-1/.artifact/finalize", b"content"),
        ("run-1/.artifact/finalize", b""),
        ("run-1/.artifact/SHA256SUMS", b"garbage"),
        ("run-1/.artifact/SHA256SUMS", b"0" * 64 + b"  nothing\n"),
    ],
)
async def test_what_control_keys_refuse(world: World, key: str, content: bytes) -> None:
    await world.repository()
    with pytest.raises((InvalidArgumentError, InvalidRequestError, PackageNotFoundError)):
        await world.put(key, content)
    assert await world.keys() == []
    assert not (await world.registry.packages.list(world.root, PackageQuery())).items


async def test_amending_only_adds(world: World) -> None:
    package = await run(world)
    first = await world.registry.packages.finalize(world.alice, package.id)
    world.clock.advance(DAY)
    await world.registry.packages.amend(world.alice, package.id)
    await world.put("run-1/late", b"1")
    await world.put("run-1/late", b"2")
    with pytest.raises(ProtectedError):
        await world.put("run-1/file-0", b"other")
    with pytest.raises(ProtectedError):
        await world.registry.files.delete(world.alice, "evidence", "run-1/file-0")
    second = await world.registry.packages.finalize(world.alice, package.id)
    assert (second.revision, second.file_count) == (2, 4)
    assert second.expires_at is not None
    assert first.expires_at is not None
    assert second.expires_at > first.expires_at
    told = manifest.decode(await world.registry.packages.manifest(world.alice, package.id))
    assert told.previous == first.manifest_sha256
    before = manifest.decode(await world.registry.packages.manifest(world.alice, package.id, revision=1))
    assert len(before.files) == 3
    assert await world.read("run-1/.artifact/revisions/1/manifest.json") == manifest.encode_whole(before)[0]
    assert [one.revision for one in await world.registry.packages.revisions(world.alice, package.id)] == [1, 2]
    with pytest.raises(ProtectedError):
        await world.put("run-1/late", b"3")


async def test_delete_and_restore(world: World) -> None:
    package = await run(world)
    await world.registry.packages.finalize(world.alice, package.id)
    with pytest.raises(ProtectedError) as refused:
        await world.registry.packages.delete(world.alice, package.id, reason="over")
    assert refused.value.reasons[0].kind == "retention"
    world.clock.advance(31 * DAY)
    plan = await world.registry.packages.deletion_plan(world.alice, "evidence")
    assert [one.id for one in plan.items] == [package.id]
    keys = await world.keys()
    await world.registry.packages.delete(world.alice, package.id, reason="over")
    assert await world.keys() == []
    with pytest.raises(FileNotFoundInRegistryError):
        await world.read("run-1/file-0")
    with pytest.raises(RepositoryNotEmptyError):
        await world.registry.repositories.delete(world.alice, "evidence")
    restored = await world.registry.packages.restore(world.alice, package.id)
    assert restored.status is PackageStatus.FINALIZED
    assert await world.keys() == keys
    assert await world.read("run-1/file-0") == b"run-1 0"
    await world.registry.packages.delete(world.alice, package.id, reason="over")
    await world.put("run-1/file-0", b"new")
    with pytest.raises(PackageExistsError):
        await world.registry.packages.restore(world.alice, package.id)
    world.clock.advance(31 * DAY)
    with pytest.raises(PackageStateError):
        await world.registry.packages.restore(world.alice, package.id)


async def test_a_put_racing_with_finalize_is_in_the_manifest_or_refused(world: World) -> None:
    for attempt in range(5):
        package = await run(world, f"run-{attempt}", files=1)
        puts = [world.put(f"run-{attempt}/late-{n}", f"{attempt} {n}".encode()) for n in range(12)]
        finalizing = [world.registry.packages.finalize(world.alice, package.id) for _ in range(2)]
        outcomes = await asyncio.gather(*puts[:6], *finalizing, *puts[6:], return_exceptions=True)
        assert all(isinstance(one, ProtectedError) or not isinstance(one, BaseException) for one in outcomes)
        stored = {one.key.partition("/")[2] for one in outcomes if hasattr(one, "key")}
        told = manifest.decode(await world.registry.packages.manifest(world.alice, package.id))
        assert {file.path for file in told.files} == stored | {"file-0"}
        assert told.revision == 1


async def test_search(world: World) -> None:
    await world.repository()
    packages = world.registry.packages
    for number in range(6):
        await packages.create(
            world.alice,
            "evidence",
            f"run-{number}",
            metadata={
                "run_id": f"id-{number}",
                "counts": {"fail": number % 2},
                "tags": ["x", f"t{number}"],
                "ok": True,
            },
            labels={"team": "a" if number < 4 else "b"},
            producer="ci",
            retention_class="transient" if number == 5 else None,
        )

    async def names(**criteria: object) -> list[str]:
        found: list[str] = []
        after = None
        while True:
            page = await packages.list(world.alice, PackageQuery(**criteria), after=after, limit=2)  # type: ignore[arg-type]
            found += [one.name for one in page.items]
            if page.next is None:
                return found
            after = page.next

    assert await names() == [f"run-{n}" for n in (5, 4, 3, 2, 1, 0)]
    assert await names(metadata={"run_id": "id-3"}) == ["run-3"]
    assert await names(metadata={"counts.fail": "1"}, labels={"team": "a"}) == ["run-3", "run-1"]
    assert await names(metadata={"tags": "t2"}) == ["run-2"]
    assert await names(metadata={"ok": "true"}, name_prefix="run-5") == ["run-5"]
    assert await names(retention_class="transient") == ["run-5"]
    assert await names(status=[PackageStatus.FINALIZED]) == []
    assert await names(max_file_count=0, name="run-0") == ["run-0"]
    everyone = await packages.list(world.bob, PackageQuery())
    assert not everyone.items


async def test_describing(world: World) -> None:
    await world.repository()
    packages = world.registry.packages
    package = await packages.create(world.alice, "evidence", "run-1", metadata={"a": {"b": 1, "c": 2}})
    with pytest.raises(PackageExistsError):
        await packages.create(world.alice, "evidence", "run-1")
    changed = await packages.update(world.alice, package.id, metadata={"a": {"b": None}, "d": 3}, expected=package)
    assert changed.metadata == {"a": {"c": 2}, "d": 3}
    with pytest.raises(PreconditionFailedError):
        await packages.update(world.alice, package.id, metadata={}, expected=package)
    await world.put("run-1/file", b"x")
    assert (await packages.get(world.alice, package.id)).status is PackageStatus.UPLOADING
    await packages.finalize(world.alice, package.id)
    with pytest.raises(PackageStateError):
        await packages.update(world.alice, package.id, metadata={"late": 1})
    with pytest.raises(PackageNotFoundError):
        await packages.get(world.bob, package.id)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", ".artifact", "a\x01", "x" * 2000, "\ud800"])
async def test_names_that_name_no_package(world: World, name: str) -> None:
    await world.repository()
    with pytest.raises(InvalidArgumentError):
        await world.registry.packages.create(world.alice, "evidence", name)


async def test_the_class_by_a_header(world: World) -> None:
    await world.repository()
    attributes = FileAttributes(metadata={"retention-class": "summary-evidence"})
    await world.put("run-1/a", b"1", attributes=attributes)
    package = await world.registry.packages.find(world.alice, "evidence", "run-1")
    assert package.retention_class == "summary-evidence"
    await world.put("run-1/b", b"1", attributes=FileAttributes(metadata={"retention-class": "permanent-record"}))
    package = await world.registry.packages.find(world.alice, "evidence", "run-1")
    assert (package.retention_class, package.expires_at) == ("permanent-record", None)
    with pytest.raises(InvalidArgumentError, match="unheard-of"):
        await world.put("run-1/c", b"1", attributes=FileAttributes(metadata={"retention-class": "unheard-of"}))
    with pytest.raises(PreconditionFailedError):
        await world.put("run-1/a", b"2", conditions=WriteConditions(if_none_match="*"))


async def test_files_of_a_package(world: World) -> None:
    package = await run(world)
    await world.put("run-1/.artifact/package.json", b"{}")
    await world.put("run-10/other", b"x")
    first = await world.registry.packages.files(world.alice, package.id, limit=2)
    rest = await world.registry.packages.files(world.alice, package.id, after=first.next, limit=2)
    assert [file.key for file in [*first.items, *rest.items]] == [f"run-1/file-{n}" for n in range(3)]
    assert rest.next is None


async def test_without_a_retention_class_there_is_no_package(world: World) -> None:
    await world.repository()
    await world.execute("DELETE FROM retention_classes")
    with pytest.raises(InvalidArgumentError, match="there are none"):
        await world.put("run-1/a", b"1")
    await world.put("loose", b"1")
