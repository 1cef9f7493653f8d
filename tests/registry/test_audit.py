"""The audit as it is read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from registry import audit_log
from registry.errors import AccessDeniedError, InvalidArgumentError
from registry.model import AuditEntry, AuditQuery
from tests.registry.world import World


async def everything(world: World, query: AuditQuery, limit: int = 100, actor: object = None) -> list[AuditEntry]:
    found: list[AuditEntry] = []
    after = None
    while True:
        page = await world.registry.audit.query(actor or world.root, query, after=after, limit=limit)  # type: ignore[arg-type]
        found += page.items
        assert len(page.items) <= limit
        if page.next is None:
            return found
        after = page.next


async def test_newest_first_in_pages(world: World) -> None:
    await world.repository()
    for number in range(7):
        await world.put(f"run/{number}")
    query = AuditQuery(action="file.put")
    whole = await everything(world, query)
    assert [entry.resource for entry in whole] == [f"run/{number}" for number in reversed(range(7))]
    for limit in (1, 3, 7):
        assert await everything(world, query, limit) == whole


async def test_by_any_field(world: World) -> None:
    await world.repository()
    alice = replace(world.alice, access_key="AKALICE", source_address="10.0.0.7", request_id="r-7")
    version = await world.put("run/a", actor=alice)
    await world.put("run/b")
    await world.put("other/a")
    for criterion in (
        {"access_key": "AKALICE"},
        {"source_address": "10.0.0.7"},
        {"request_id": "r-7", "action": "file.put"},
        {"version_id": version.id},
        {"resource": "run/a"},
    ):
        found = await everything(world, AuditQuery(**criterion))
        assert {entry.resource for entry in found if entry.action == "file.put"} == {"run/a"}, criterion
    package = await everything(world, AuditQuery(package_id=version.package_id, action="file.put"))
    assert {entry.resource for entry in package} == {"run/a", "run/b"}
    assert {entry.actor for entry in await everything(world, AuditQuery(actor="alice"))} == {"alice"}
    assert not await everything(world, AuditQuery(actor="alice", repository="elsewhere"))
    entry = (await everything(world, AuditQuery(version_id=version.id)))[0]
    assert entry.detail is not None
    assert entry.detail["sha256"] == version.sha256


async def test_by_time(world: World) -> None:
    await world.repository()
    moments = []
    for number in range(20):
        world.clock.advance(900)
        moments.append(world.clock())
        await world.put(f"run/{number}")
    query = AuditQuery(action="file.put", since=moments[5], until=moments[9])
    assert [entry.resource for entry in await everything(world, query, 3)] == ["run/8", "run/7", "run/6", "run/5"]
    assert len(await everything(world, AuditQuery(action="file.put", since=moments[19]))) == 1
    assert not await everything(world, AuditQuery(since=moments[19] + 1))
    assert not await everything(world, AuditQuery(until=1))


async def test_refusals_are_found(world: World) -> None:
    await world.repository()
    version = await world.put("run/a")
    await world.registry.packages.finalize(world.alice, version.package_id or "")
    with pytest.raises(Exception, match="Access Denied"):
        await world.registry.files.delete(world.alice, "evidence", "run/a")
    found = await everything(world, AuditQuery(outcome="denied"))
    assert [(entry.action, entry.resource) for entry in found] == [("file.delete", "run/a")]


async def test_an_account_sees_its_repositories(world: World) -> None:
    await world.repository()
    await world.put("run/a")
    await world.registry.repositories.create(world.bob, "bobs-own")
    own = await everything(world, AuditQuery(), actor=world.bob)
    assert {entry.repository for entry in own} == {"bobs-own"}
    with pytest.raises(AccessDeniedError):
        await everything(world, AuditQuery(repository="evidence"), actor=world.bob)
    assert {entry.repository for entry in await everything(world, AuditQuery(), actor=world.root)} == {
        None,
        "evidence",
        "bobs-own",
    }


async def test_a_name_that_was_anothers_tells_nothing_of_then(world: World) -> None:
    await world.repository()
    await world.registry.repositories.delete(world.alice, "evidence")
    world.clock.advance(1)
    await world.registry.repositories.create(world.bob, "evidence")
    found = await everything(world, AuditQuery(repository="evidence"), actor=world.bob)
    assert [(entry.actor, entry.action) for entry in found] == [("bob", "repository.create")]


async def test_a_long_search_answers_in_stretches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.repository()
    for number in range(12):
        await world.put(f"run/{number}", actor=replace(world.alice, request_id=f"r-{number}"))
    monkeypatch.setattr(audit_log, "STRETCH", 3)
    page = await world.registry.audit.query(world.root, AuditQuery(request_id="r-0", action="file.put"))
    assert not page.items
    assert page.next is not None
    found = await everything(world, AuditQuery(request_id="r-0", action="file.put"))
    assert [entry.resource for entry in found] == ["run/0"]


async def test_after_is_checked(world: World) -> None:
    for wrong in ("x", "-1", "1.5", "٣", "9" * 30):
        with pytest.raises(InvalidArgumentError):
            await world.registry.audit.query(world.root, AuditQuery(), after=wrong)


@pytest.mark.parametrize(
    ("criteria", "index"),
    [
        ("package_id = 'p'", "ix_audit_entries_package_id"),
        ("repository = 'r'", "ix_audit_entries_repository"),
        ("actor = 'a'", "ix_audit_entries_actor"),
        ("resource = 'k'", "ix_audit_entries_resource"),
        ("outcome = 'denied' AND outcome <> 'done'", "ix_audit_entries_refused"),
    ],
)
async def test_indexes_lead_to_what_is_asked(world: World, criteria: str, index: str) -> None:
    explain = "EXPLAIN QUERY PLAN" if "sqlite" in world.registry._database.url else "EXPLAIN"
    query = f"{explain} SELECT * FROM audit_entries WHERE {criteria} AND id < 100000 ORDER BY id DESC LIMIT 10"
    async with world.registry._database.transaction() as connection:
        if explain == "EXPLAIN":
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            await connection.execute(text("SET LOCAL enable_bitmapscan = off"))
            await connection.execute(text("SET LOCAL enable_sort = off"))
        plan = "\n".join(str(row) for row in await connection.execute(text(query)))
    assert index in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan
