"""Retention and holds: the end only moves later, holds keep everything, and every reason is told."""

from __future__ import annotations

import pytest

from registry.errors import (
    AccessDeniedError,
    HoldNotFoundError,
    InvalidArgumentError,
    PackageNotFoundError,
    ProtectedError,
    RetentionClassNotFoundError,
    VersionNotFoundError,
)
from registry.model import HoldQuery, Package
from tests.registry.world import DAY, World

SECOND = 1_000_000


async def finalized(world: World, name: str = "run-1") -> Package:
    if name == "run-1":
        await world.repository()
    await world.put(f"{name}/a", name.encode())
    package = await world.registry.packages.find(world.alice, "evidence", name)
    return await world.registry.packages.finalize(world.alice, package.id)


async def test_the_term_counts_from_finalization(world: World) -> None:
    await world.repository()
    await world.put("run-1/a", b"1")
    package = await world.registry.packages.find(world.alice, "evidence", "run-1")
    world.clock.advance(10 * DAY)
    frozen = await world.registry.packages.finalize(world.alice, package.id)
    assert frozen.expires_at == world.clock() + 30 * DAY * SECOND


async def test_extending(world: World) -> None:
    package = await finalized(world)
    retention = world.registry.retention
    assert package.expires_at is not None
    later = await retention.extend(world.alice, package.id, seconds=DAY, reason="audit")
    assert later.expires_at == package.expires_at + DAY * SECOND
    later = await retention.extend(world.alice, package.id, until=package.expires_at + 9 * DAY * SECOND, reason="audit")
    assert later.expires_at == package.expires_at + 9 * DAY * SECOND
    for until in (package.expires_at, world.clock() - 1, later.expires_at):
        with pytest.raises(InvalidArgumentError):
            await retention.extend(world.alice, package.id, until=until, reason="no")
    with pytest.raises(InvalidArgumentError, match="reason"):
        await retention.extend(world.alice, package.id, seconds=1, reason=" ")
    forever = await retention.change_class(world.alice, package.id, "permanent-record", reason="law")
    assert forever.expires_at is None
    with pytest.raises(InvalidArgumentError):
        await retention.extend(world.alice, package.id, seconds=1, reason="more")
    with pytest.raises(InvalidArgumentError):
        await retention.change_class(world.alice, package.id, "transient", reason="less")
    with pytest.raises(InvalidArgumentError, match="unheard-of"):
        await retention.change_class(world.alice, package.id, "unheard-of", reason="x")


async def test_a_class_default_never_shortens_what_exists(world: World) -> None:
    package = await finalized(world)
    with pytest.raises(AccessDeniedError):
        await world.registry.retention.set_class_default(world.alice, "raw-evidence", DAY)
    await world.registry.retention.set_class_default(world.root, "raw-evidence", DAY)
    with pytest.raises(RetentionClassNotFoundError):
        await world.registry.retention.set_class_default(world.root, "nothing", DAY)
    assert (await world.registry.packages.get(world.alice, package.id)).expires_at == package.expires_at
    await world.registry.packages.amend(world.alice, package.id)
    again = await world.registry.packages.finalize(world.alice, package.id)
    assert again.expires_at == package.expires_at
    fresh = await finalized(world, "run-2")
    assert fresh.expires_at == world.clock() + DAY * SECOND


async def test_holds_keep_a_package(world: World) -> None:
    package = await finalized(world)
    holds = world.registry.holds
    one = await holds.place(world.alice, package_id=package.id, name="litigation", reason="suit", case_ref="C-1")
    two = await holds.place(world.alice, package_id=package.id, name="audit", reason="yearly")
    world.clock.advance(60 * DAY)
    with pytest.raises(ProtectedError) as refused:
        await world.registry.packages.delete(world.alice, package.id, reason="old")
    assert {reason.hold for reason in refused.value.reasons} == {"litigation", "audit"}
    assert not (await world.registry.packages.deletion_plan(world.alice)).items
    await holds.release(world.alice, one.id, reason="settled")
    again = await holds.release(world.alice, one.id, reason="settled twice")
    assert again.release_reason == "settled"
    await holds.release(world.alice, two.id, reason="done")
    listed = await holds.list(world.alice, HoldQuery(package_id=package.id))
    assert [hold.released_by for hold in listed.items] == ["alice", "alice"]
    assert not (await holds.list(world.alice, HoldQuery(active=True))).items
    await world.registry.packages.delete(world.alice, package.id, reason="old")


async def test_a_hold_on_one_file(world: World) -> None:
    await world.repository()
    version = await world.put("loose", b"1")
    other = await world.put("run-1/a", b"2")
    for held in (version, other):
        await world.registry.holds.place(world.alice, version_id=held.id, name="keep", reason="because")
        with pytest.raises(ProtectedError, match="keep"):
            await world.put(held.key, b"other")
        with pytest.raises(ProtectedError):
            await world.registry.files.delete(world.alice, "evidence", held.key)
    package = await world.registry.packages.find(world.alice, "evidence", "run-1")
    with pytest.raises(ProtectedError, match="keep"):
        await world.registry.packages.delete(world.alice, package.id, reason="x")
    assert await world.read("loose") == b"1"


async def test_what_a_hold_needs(world: World) -> None:
    package = await finalized(world)
    holds = world.registry.holds
    for name, reason in (("", "x"), ("a b", "x"), ("ok", ""), ("ok", "x" * 3000)):
        with pytest.raises(InvalidArgumentError):
            await holds.place(world.alice, package_id=package.id, name=name, reason=reason)
    with pytest.raises(InvalidArgumentError):
        await holds.place(world.alice, name="ok", reason="on nothing")
    with pytest.raises(PackageNotFoundError):
        await holds.place(world.bob, package_id=package.id, name="ok", reason="not mine")
    with pytest.raises(VersionNotFoundError):
        await holds.place(world.alice, version_id="nothing", name="ok", reason="x")
    with pytest.raises(HoldNotFoundError):
        await holds.release(world.alice, "nothing", reason="x")
    hold = await holds.place(world.alice, package_id=package.id, name="ok", reason="x")
    with pytest.raises(HoldNotFoundError):
        await holds.release(world.bob, hold.id, reason="x")


async def test_eligibility_tells_every_reason(world: World) -> None:
    package = await finalized(world)
    await world.registry.holds.place(world.alice, package_id=package.id, name="keep", reason="because")
    found = await world.registry.retention.eligibility(world.alice, package.id)
    assert not found.eligible
    assert {reason.kind for reason in found.reasons} == {"retention", "hold"}
    assert found.eligible_at is None
    other = await finalized(world, "run-2")
    found = await world.registry.retention.eligibility(world.alice, other.id)
    assert found.eligible_at == other.expires_at
    world.clock.advance(31 * DAY)
    report = await world.registry.retention.eligibility_report(world.alice, "evidence", limit=1)
    rest = await world.registry.retention.eligibility_report(world.alice, "evidence", after=report.next, limit=1)
    assert [one.eligible for one in [*report.items, *rest.items]] == [False, True]


async def test_a_file_tells_how_it_is_kept(world: World) -> None:
    await world.repository()
    await world.put("loose", b"1")
    files = world.registry.files
    assert not (await files.get(world.alice, "evidence", "loose")).keeping.held
    package = await finalized_in(world)
    kept = (await files.get(world.alice, "evidence", "run-1/a")).keeping
    assert (kept.retention_class, kept.expires_at, kept.frozen, kept.held) == (
        "raw-evidence",
        package.expires_at,
        True,
        False,
    )
    await world.registry.holds.place(world.alice, package_id=package.id, name="keep", reason="because")
    assert (await files.get(world.alice, "evidence", "run-1/a")).keeping.held


async def finalized_in(world: World) -> Package:
    await world.put("run-1/a", b"1")
    package = await world.registry.packages.find(world.alice, "evidence", "run-1")
    return await world.registry.packages.finalize(world.alice, package.id)
