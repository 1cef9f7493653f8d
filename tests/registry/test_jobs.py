"""What the registry does by itself: each job, and one process at a time running them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from sqlalchemy import func, select

from registry.db import schema
from registry.errors import ConflictError, UploadNotFoundError
from registry.jobs import Ages
from registry.jobs.abandoned_packages import AbandonedPackages
from registry.jobs.expired_packages import ExpiredPackages
from registry.jobs.forgetting import Forgetting
from registry.jobs.job import Job
from registry.jobs.lease import Lease
from registry.jobs.quiet_packages import QuietPackages
from registry.jobs.scheduler import Scheduler
from registry.jobs.stale_uploads import REMEMBERED, StaleUploads
from registry.model import AuditQuery, FileAttributes, KeptAnswer, Package, Upload
from registry.uploads import CompletedPart
from tests.registry.world import DAY, Bytes, World


class Nobody:
    async def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        return 204


async def run(world: World, kind: type[Job], ages: Ages | None = None) -> None:
    (job,) = (one for one in world.registry.jobs.all(Nobody(), ages) if isinstance(one, kind))
    await job.run_once(world.clock())


async def package_of(world: World, key: str = "run/a", data: bytes = b"data") -> Package:
    version = await world.put(key, data)
    return await world.registry.packages.get(world.alice, version.package_id or "")


async def status(world: World, package: Package) -> str:
    return (await world.registry.packages.get(world.alice, package.id)).status.value


async def begin(world: World, key: str) -> Upload:
    return await world.registry.uploads.create(world.alice, "evidence", key, FileAttributes())


async def count(world: World, table: Any) -> int:
    async with world.registry._database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


# --- uploads


async def test_uploads_that_nobody_goes_on_with_are_aborted(world: World) -> None:
    await world.repository()
    uploads = world.registry.uploads
    old, lively = await begin(world, "run/old"), await begin(world, "run/lively")
    await uploads.put_part(world.alice, "evidence", "run/old", old.id, 1, Bytes(b"part"))
    world.clock.advance(6 * DAY)
    await uploads.put_part(world.alice, "evidence", "run/lively", lively.id, 1, Bytes(b"part"))
    await run(world, StaleUploads)
    await uploads.get(world.alice, "evidence", "run/old", old.id)
    world.clock.advance(2 * DAY)
    await run(world, StaleUploads)
    with pytest.raises(UploadNotFoundError):
        await uploads.get(world.alice, "evidence", "run/old", old.id)
    await uploads.get(world.alice, "evidence", "run/lively", lively.id)
    assert await count(world, schema.upload_parts) == 1


async def test_completed_uploads_are_remembered_for_a_day(world: World) -> None:
    await world.repository()
    uploads = world.registry.uploads
    upload = await begin(world, "run/a")
    part = await uploads.put_part(world.alice, "evidence", "run/a", upload.id, 1, Bytes(b"part"))
    await uploads.complete(world.alice, "evidence", "run/a", upload.id, [CompletedPart(1, part.etag)])
    world.clock.advance(REMEMBERED - 1)
    await run(world, StaleUploads)
    assert await count(world, schema.uploads) == 1
    world.clock.advance(1)
    await run(world, StaleUploads)
    assert await count(world, schema.uploads) == 0
    assert await world.read("run/a") == b"part"


# --- abandoned packages


async def test_abandoned_packages_fail(world: World) -> None:
    await world.repository()
    package = await package_of(world)
    finalized = await package_of(world, "done/a")
    await world.registry.packages.finalize(world.alice, finalized.id)
    world.clock.advance(30 * DAY - 1)
    await run(world, AbandonedPackages)
    assert await status(world, package) == "uploading"
    world.clock.advance(1)
    await run(world, AbandonedPackages)
    failed = await world.registry.packages.get(world.alice, package.id)
    assert (failed.status.value, failed.retention_class) == ("failed", "raw-evidence")
    assert failed.expires_at == world.clock() + 7 * DAY * 1_000_000
    assert await status(world, finalized) == "finalized"
    entries = (
        await world.registry.audit.query(world.root, AuditQuery(package_id=package.id, action="package.fail"))
    ).items
    assert [(entry.actor, entry.resource) for entry in entries] == [("system", "run")]
    events = (await world.registry.events.list(world.alice, type="package.failed")).items
    assert [event.package_id for event in events] == [package.id]
    await run(world, AbandonedPackages)
    assert len((await world.registry.events.list(world.alice, type="package.failed")).items) == 1


async def test_a_producer_that_comes_back_goes_on(world: World) -> None:
    await world.repository()
    package = await package_of(world)
    world.clock.advance(31 * DAY)
    await run(world, AbandonedPackages)
    await world.put("run/b")
    assert await status(world, package) == "uploading"
    await world.registry.packages.finalize(world.alice, package.id)
    kept = await world.registry.packages.get(world.alice, package.id)
    assert kept.expires_at == world.clock() + 30 * DAY * 1_000_000


async def test_a_package_with_an_upload_in_progress_is_not_abandoned(world: World) -> None:
    await world.repository()
    package = await package_of(world)
    await begin(world, "run/big")
    await begin(world, "runners/big")
    other = await package_of(world, "runner/a")
    world.clock.advance(31 * DAY)
    await run(world, AbandonedPackages)
    assert await status(world, package) == "uploading"
    assert await status(world, other) == "failed"


# --- packages that finalize by themselves


async def test_quiet_packages_finalize_by_themselves(world: World) -> None:
    await world.registry.repositories.create(world.alice, "evidence", settings={"auto_finalize_after": 60})
    await world.repository("other-one")
    package = await package_of(world)
    await world.put("run/a", repository="other-one")
    world.clock.advance(59)
    await world.put("run/b")
    world.clock.advance(59)
    await run(world, QuietPackages)
    assert await status(world, package) == "uploading"
    world.clock.advance(1)
    upload = await begin(world, "run/big")
    await run(world, QuietPackages)
    assert await status(world, package) == "uploading"
    await world.registry.uploads.abort(world.alice, "evidence", "run/big", upload.id)
    await run(world, QuietPackages)
    finalized = await world.registry.packages.get(world.alice, package.id)
    assert (finalized.status.value, finalized.revision, finalized.file_count) == ("finalized", 1, 2)
    page = await world.registry.audit.query(world.root, AuditQuery(action="package.finalize"))
    assert [(entry.actor, entry.repository) for entry in page.items] == [("system", "evidence")]


async def test_quiet_amendments_finalize_too(world: World) -> None:
    await world.registry.repositories.create(world.alice, "evidence", settings={"auto_finalize_after": 60})
    package = await package_of(world)
    packages = world.registry.packages
    await packages.finalize(world.alice, package.id)
    await packages.amend(world.alice, package.id)
    await world.put("run/late")
    world.clock.advance(61)
    await run(world, QuietPackages)
    amended = await packages.get(world.alice, package.id)
    assert (amended.revision, amended.amending) == (2, False)


# --- packages whose time has come


async def test_nothing_is_deleted_unless_its_repository_opted_in(world: World) -> None:
    await world.repository()
    await world.registry.repositories.create(world.alice, "willing-one", settings={"expire_automatically": True})
    packages = world.registry.packages
    found = {}
    for repository in ("evidence", "willing-one"):
        version = await world.put("run/a", repository=repository)
        found[repository] = await packages.finalize(world.alice, version.package_id or "")
    held = await packages.finalize(world.alice, (await world.put("held/a", repository="willing-one")).package_id or "")
    await world.registry.holds.place(world.alice, package_id=held.id, name="case-7", reason="litigation")
    world.clock.advance(30 * DAY - 1)
    await run(world, ExpiredPackages)
    assert await status(world, found["willing-one"]) == "finalized"
    world.clock.advance(2)
    await run(world, ExpiredPackages)
    assert await status(world, found["willing-one"]) == "deleted"
    assert await status(world, found["evidence"]) == "finalized"
    assert await status(world, held) == "finalized"
    (entry,) = (await world.registry.audit.query(world.root, AuditQuery(action="package.delete"))).items
    assert (entry.actor, entry.package_id) == ("system", found["willing-one"].id)
    assert "automatically" in str(entry.detail)


# --- forgetting


async def test_events_and_answers_are_forgotten_and_the_audit_never(world: World) -> None:
    await world.repository()
    for number in range(5):
        await world.put(f"run/{number}")
    await world.registry.idempotency.begin(world.alice, "key", "print")
    await world.registry.idempotency.finish(world.alice, "key", KeptAnswer(200, {}, b""))
    entries = await count(world, schema.audit_entries)
    await run(world, Forgetting)
    assert await count(world, schema.events) == 7
    assert await count(world, schema.idempotency_keys) == 1
    world.clock.advance(31 * DAY)
    await world.put("run/late")
    await run(world, Forgetting)
    assert [event.payload["key"] for event in (await world.registry.events.list(world.alice)).items] == ["run/late"]
    world.clock.advance(31 * DAY)
    await run(world, Forgetting)
    (newest,) = (await world.registry.events.list(world.alice)).items
    await world.put("run/later")
    assert [event.id for event in (await world.registry.events.list(world.alice)).items] == [newest.id, newest.id + 1]
    assert await count(world, schema.idempotency_keys) == 0
    assert await count(world, schema.audit_entries) == entries + 2


async def test_what_has_yet_to_be_told_is_not_forgotten(world: World) -> None:
    await world.repository()
    webhook, _ = await world.registry.webhooks.create(world.alice, "https://hub.example", repository="evidence")
    await world.put("run/a")
    world.clock.advance(31 * DAY)
    await run(world, Forgetting)
    (outbox, *_) = world.registry.jobs.all(Nobody())
    await outbox.run_once(world.clock())
    delivered = (await world.registry.webhooks.deliveries(world.alice, webhook.id)).items
    assert {delivery.status for delivery in delivered} == {"delivered"}
    assert len(delivered) == 2
    await run(world, Forgetting)
    assert len((await world.registry.webhooks.deliveries(world.alice, webhook.id)).items) == 2
    assert await count(world, schema.events) == 2
    world.clock.advance(31 * DAY)
    await run(world, Forgetting)
    assert not (await world.registry.webhooks.deliveries(world.alice, webhook.id)).items


# --- who runs them


async def test_one_holder_at_a_time(world: World) -> None:
    database, clock = world.registry._database, world.clock
    one, other = (Lease(database, "jobs", clock, seconds=15) for _ in range(2))
    assert sorted(await asyncio.gather(one.take(), other.take())) == [False, True]
    holder, waiting = (one, other) if await one.take() else (other, one)
    clock.advance(14)
    assert await holder.take()
    clock.advance(14)
    assert not await waiting.take()
    clock.advance(1)
    assert await waiting.take()
    assert not await holder.take()
    await holder.release()
    assert not await holder.take()
    await waiting.release()
    assert await holder.take()


class Counting(Job):
    name = "counting"
    interval = 0.01
    runs: ClassVar[list[str]] = []

    def __init__(self, who: str, error: Exception | None = None) -> None:
        self._who = who
        self._error = error
        self.stopped = 0

    async def run_once(self, now: int) -> None:
        self.runs.append(self._who)
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        self.stopped += 1


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_another_process_takes_over(world: World) -> None:
    Counting.runs.clear()
    database, clock = world.registry._database, world.clock
    jobs = {who: Counting(who) for who in ("one", "other")}
    leases = {who: Lease(database, "jobs", clock, seconds=0.3) for who in jobs}
    tasks = {who: asyncio.create_task(Scheduler(leases[who], [jobs[who]], clock).run()) for who in jobs}
    await until(lambda: len(Counting.runs) > 3)
    assert len(set(Counting.runs)) == 1
    first, second = ("one", "other") if Counting.runs[0] == "one" else ("other", "one")
    tasks[first].cancel()
    await until(lambda: second in Counting.runs)
    assert jobs[first].stopped == 1
    # The holder stalls until its lease has run out and another one has it.
    clock.advance(1)
    assert await leases[first].take()
    await until(lambda: jobs[second].stopped)
    tasks[second].cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("error", [ConflictError(), RuntimeError("a bug")])
async def test_a_job_that_fails_runs_again_and_harms_no_other(world: World, error: Exception) -> None:
    Counting.runs.clear()
    jobs = [Counting("failing", error), Counting("well")]
    lease = Lease(world.registry._database, "jobs", world.clock)
    task = asyncio.create_task(Scheduler(lease, jobs, world.clock).run())
    await until(lambda: min(Counting.runs.count("failing"), Counting.runs.count("well")) > 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [job.stopped for job in jobs] == [1, 1]


async def test_the_jobs_run_while_they_are_asked_to(world: World) -> None:
    await world.repository()
    webhook, _ = await world.registry.webhooks.create(world.alice, "https://hub.example", repository="evidence")
    told = asyncio.Event()

    class Listening:
        async def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
            told.set()
            return 204

    await world.put("run/a")
    async with asyncio.timeout(20), world.registry.jobs.running(Listening()):
        await told.wait()
    lease = Lease(world.registry._database, "jobs", world.clock)
    assert await lease.take()
    assert webhook.url == "https://hub.example"
