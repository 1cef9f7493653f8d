"""What the database itself refuses, said in raw SQL: no code above it is asked."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from registry.model import FileVersion
from tests.registry.world import World

HOLD = (
    "INSERT INTO holds (id, name, repository_id, package_id, version_id, reason, placed_by, placed_at)"
    " VALUES ('{id}', 'case-7', 1, {package}, {version}, 'litigation', 'alice', 1)"
)


async def refused(world: World, statement: str, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        await world.execute(statement)


async def put(world: World) -> FileVersion:
    await world.repository()
    return await world.put("run/a", b"bytes")


async def finalized(world: World) -> FileVersion:
    version = await put(world)
    await world.execute("UPDATE packages SET status = 'finalized', revision = 1, finalized_at = 5, expires_at = 1000")
    return version


async def test_audit_entries_only_ever_come(world: World) -> None:
    await put(world)
    await refused(world, "UPDATE audit_entries SET actor = 'mallory'", "audit entries never change")
    await refused(world, "DELETE FROM audit_entries WHERE id = 1", "audit entries are never deleted")


# SQLite knows no TRUNCATE.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_nothing_is_truncated(world: World) -> None:
    await put(world)
    await refused(world, "TRUNCATE audit_entries", "audit entries are never deleted")
    await refused(world, "TRUNCATE holds", "holds are released, never deleted")


async def test_holds_are_released_once_and_stay(world: World) -> None:
    version = await put(world)
    await world.execute(HOLD.format(id="h", package="NULL", version=f"'{version.id}'"))
    await refused(world, "DELETE FROM holds", "never deleted")
    await refused(world, "UPDATE holds SET version_id = 'another'", "what it is on never change")
    await world.execute("UPDATE holds SET released_at = 2, released_by = 'bob', release_reason = 'closed'")
    await refused(world, "UPDATE holds SET released_at = NULL, released_by = NULL", "a released hold never changes")
    await refused(world, "DELETE FROM holds", "never deleted")


async def test_a_finalized_package_goes_by_its_status(world: World) -> None:
    await finalized(world)
    await refused(world, "DELETE FROM packages", "by its status, never by its row")


async def test_retention_only_grows(world: World) -> None:
    await finalized(world)
    shorter = "the retention of a finalized package never gets shorter"
    await refused(world, "UPDATE packages SET expires_at = 999", shorter)
    await world.execute("UPDATE packages SET expires_at = 1001")
    await world.execute("UPDATE packages SET expires_at = NULL")
    await refused(world, "UPDATE packages SET expires_at = 5000", shorter)
    await world.execute("UPDATE packages SET status = 'deleted'")
    await refused(world, "UPDATE packages SET expires_at = 5000", shorter)
    await refused(world, "UPDATE packages SET revision = 0", "never goes back")


async def test_before_finalization_retention_may_change(world: World) -> None:
    await put(world)
    await world.execute("UPDATE packages SET expires_at = 1000")
    await world.execute("UPDATE packages SET expires_at = 10")


@pytest.mark.parametrize(
    ("begun", "moves", "not_after"),
    [
        ("created", ["uploading", "failed", "uploading", "finalized", "deleted", "finalized"], "uploading"),
        ("created", ["failed", "deleted", "uploading", "deleted"], "finalized"),
        ("uploading", ["deleted"], "created"),
        ("uploading", ["failed"], "finalized"),
        ("uploading", ["finalized"], "failed"),
        ("uploading", [], "created"),
    ],
)
async def test_the_life_of_a_package(world: World, begun: str, moves: list[str], not_after: str) -> None:
    await world.repository()
    await world.execute(
        "INSERT INTO packages (id, repository_id, name, status, explicit, amending, created_at, created_by, updated_at,"
        " size, file_count, revision, metadata, labels, retention_class) VALUES"
        f" ('pkg_1', 1, 'run', '{begun}', true, false, 1, 'alice', 1, 0, 0, 0, '{{}}', '{{}}', 'transient')"
    )
    for status in moves:
        revision = ", revision = 1" if status == "finalized" else ""
        await world.execute(f"UPDATE packages SET status = '{status}'{revision}")
    await refused(world, f"UPDATE packages SET status = '{not_after}'", "cannot become that")


async def test_files_of_a_finalized_package_stay(world: World) -> None:
    version = await finalized(world)
    await refused(world, "DELETE FROM file_versions", "files of a finalized package are never removed")
    await refused(world, "UPDATE file_versions SET package_id = NULL", "stay in it")
    await refused(world, "UPDATE file_versions SET revision = 2", "stay in it")
    await world.execute("UPDATE packages SET status = 'deleted'")
    await world.execute(f"DELETE FROM file_versions WHERE id = '{version.id}'")


async def test_files_of_an_amendment_may_still_go(world: World) -> None:
    version = await finalized(world)
    await world.execute(f"UPDATE packages SET status = 'deleted', amending = false WHERE id = '{version.package_id}'")
    await world.execute("UPDATE file_versions SET revision = 2")
    await world.execute("UPDATE packages SET status = 'finalized'")
    await world.execute("DELETE FROM file_versions")


async def test_a_file_version_never_changes_its_bytes(world: World) -> None:
    await put(world)
    for change in ("sha256 = 'other'", "size = 1", "key = 'run/b'", "etag = ''"):
        await refused(world, f"UPDATE file_versions SET {change}", "never changes its bytes")
    await world.execute("UPDATE file_versions SET created_at = 7, sha256 = sha256")


@pytest.mark.parametrize("on", ["version", "package"])
async def test_what_a_hold_is_on_stays(world: World, on: str) -> None:
    version = await put(world)
    target = {"package": "NULL", "version": "NULL"} | {on: f"'{version.id if on == 'version' else version.package_id}'"}
    await world.execute(HOLD.format(id="h", **target))
    await refused(world, "DELETE FROM file_versions", "what a hold is on is never removed")
    await world.execute("UPDATE holds SET released_at = 2")
    await world.execute(HOLD.format(id="other", package="'elsewhere'", version="NULL"))
    await world.execute("DELETE FROM file_versions")


async def test_compliance_only_grows(world: World) -> None:
    await put(world)
    await world.execute("UPDATE file_versions SET lock_mode = 'GOVERNANCE', retain_until = 100")
    await world.execute("UPDATE file_versions SET lock_mode = 'GOVERNANCE', retain_until = 50")
    await world.execute("UPDATE file_versions SET lock_mode = 'COMPLIANCE', retain_until = 60")
    await world.execute("UPDATE file_versions SET retain_until = 61")
    for change in ("retain_until = 60", "lock_mode = 'GOVERNANCE'", "lock_mode = NULL, retain_until = NULL"):
        await refused(world, f"UPDATE file_versions SET {change}", "COMPLIANCE mode never gets shorter")


async def test_a_repository_whose_holds_are_history_can_go(world: World) -> None:
    version = await put(world)
    await world.execute(HOLD.format(id="h", package="NULL", version=f"'{version.id}'"))
    await world.execute("UPDATE holds SET released_at = 2")
    await world.registry.files.delete(world.alice, "evidence", "run/a")
    await world.registry.repositories.delete(world.alice, "evidence")
