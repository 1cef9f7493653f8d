"""Telling webhooks of events: at least once, and those of one package in their order.

First every new event becomes a delivery for each webhook that it concerns (`_fan_out`); then what is due is sent
(`_deliver`). A delivery that fails waits longer and longer, and what follows it in its package waits with it, until
it was delivered or has failed for good (dead letter; from there a person may try again). Other packages and other
webhooks go on meanwhile.

What a crash interrupts is sent again: a receiver tells by `webhook-id`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import bindparam, exists, func, insert, select, update
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ClauseElement

from registry.clock import SECOND, Clock
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.db.statements import Row
from registry.errors import RegistryError
from registry.event_log import EventLog, event_of
from registry.jobs.job import Job
from registry.secrets import SecretBox
from registry.webhook_message import S3_EVENTS, TEST, headers, registry_body, s3_body, s3_test_body
from registry.webhooks import DEAD_LETTER, DELIVERED, DELIVERING, PENDING, RETRY_WAIT, delivery_row

LOG = logging.getLogger(__name__)

ATTEMPTS = 12
"""Attempts before a delivery is given up; with the waits between them they take about a day."""

FIRST_WAIT = 5
WAIT_FACTOR = 3
LONGEST_WAIT = 6 * 3600
"""Seconds: 5, 15, 45 ... and then every six hours, each a fifth more or less."""

FANNED_OUT = 500
"""Events that become deliveries in one transaction."""

TAKEN = 100
"""Deliveries to one webhook that are taken up together."""

AT_ONCE = 8
"""Requests to one webhook at a time."""

PATIENCE = 1.0
"""Seconds that a run waits for slow receivers; their deliveries go on beyond it."""

ERROR_LENGTH = 500


class DeliveryError(Exception):
    """There was no answer; the message says why."""


class Sender(Protocol):
    """Speaks HTTP for the registry, which does not."""

    async def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """POST the body; returns the status of the answer. Raises DeliveryError where there is none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to. Neither status nor error: there was none."""

    delivery: Row
    status: int | None = None
    error: str | None = None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Outbox(Job):
    """Hands events on to webhooks."""

    name = "outbox"
    interval = 1.0

    def __init__(
        self, database: Database, events: EventLog, box: SecretBox, sender: Sender, clock: Clock, *, region: str
    ) -> None:
        """`region` is what S3-shaped messages say of where they come from."""
        self._database = database
        self._events = events
        self._box = box
        self._sender = sender
        self._clock = clock
        self._region = region
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def run_once(self, now: int) -> None:
        last = await self._events.last()
        for row in await self._database.rows(_behind, {"last": last}):
            while await self._fan_out(row["id"]):
                pass
        for row in await self._database.rows(_due, {"now": now}):
            webhook_id = row["id"]
            if webhook_id not in self._under_way:
                task = asyncio.create_task(self._deliver(webhook_id), name=f"deliveries to {webhook_id}")
                self._under_way[webhook_id] = task
                task.add_done_callback(self._finished)
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=PATIENCE)

    def _finished(self, task: asyncio.Task[None]) -> None:
        for webhook_id in [known for known, other in self._under_way.items() if other is task]:
            del self._under_way[webhook_id]

    async def stop(self) -> None:
        tasks = [*self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fan_out(self, webhook_id: str) -> bool:
        """Make deliveries of the next events for a webhook. Whether there may be more."""
        webhooks, events = schema.webhooks, schema.events
        async with self._database.transaction(Lock(Scope.JOB, f"webhook {webhook_id}")) as connection:
            webhook = (await connection.execute(select(webhooks).where(webhooks.c.id == webhook_id))).mappings().first()
            if webhook is None:
                return False
            query = (
                select(events.c.place, events.c.type, events.c.repository_id, events.c.package_id)
                .where(events.c.place > webhook["place"])
                .order_by(events.c.place)
                .limit(FANNED_OUT)
            )
            found = (await connection.execute(query)).mappings().all()
            if not found:
                return False
            now = self._clock()
            rows = [
                delivery_row(webhook_id, event["type"], now, place=event["place"], package_id=event["package_id"])
                for event in found
                if _concerns(webhook, event)
            ]
            if rows:
                await connection.execute(insert(schema.deliveries), rows)
            reached = update(webhooks).where(webhooks.c.id == webhook_id).values(place=found[-1]["place"])
            await connection.execute(reached)
        return len(found) == FANNED_OUT

    async def _deliver(self, webhook_id: str) -> None:
        """Send what is due to a webhook until nothing is."""
        try:
            while taken := await self._take(webhook_id):
                outcomes: list[Outcome] = []
                room = asyncio.Semaphore(AT_ONCE)
                try:
                    async with asyncio.TaskGroup() as group:
                        for lane in _lanes(taken):
                            group.create_task(self._deliver_lane(lane, room, outcomes))
                finally:
                    await self._record(taken, outcomes)
        except RegistryError as error:
            LOG.warning("deliveries to webhook %s will go on later: %s", webhook_id, error.message)
        except Exception:
            LOG.exception("deliveries to webhook %s will go on later", webhook_id)

    async def _take(self, webhook_id: str) -> Sequence[Row]:
        """The deliveries that are due, with what they tell. None of a package whose earlier one has to wait."""
        table, earlier = schema.deliveries, schema.deliveries.alias("earlier")
        now = self._clock()
        waits = exists().where(
            earlier.c.webhook_id == table.c.webhook_id,
            earlier.c.package_id == table.c.package_id,
            earlier.c.place < table.c.place,
            earlier.c.next_attempt_at.is_not(None),
            earlier.c.next_attempt_at > now,
        )
        due = (
            select(table.c.id)
            .where(
                table.c.webhook_id == webhook_id,
                table.c.next_attempt_at.is_not(None),
                table.c.next_attempt_at <= now,
                ~waits,
            )
            .order_by(table.c.place, table.c.id)
            .limit(TAKEN)
        )
        async with self._database.transaction() as connection:
            numbers = (await connection.execute(due)).scalars().all()
            if not numbers:
                return ()
            await connection.execute(update(table).where(table.c.id.in_(numbers)).values(status=DELIVERING))
            return await _told(connection, numbers)

    async def _deliver_lane(self, lane: Sequence[Row], room: asyncio.Semaphore, outcomes: list[Outcome]) -> None:
        """Send deliveries one after the other, up to the first that fails."""
        async with room:
            for delivery in lane:
                outcome = await self._send(delivery)
                outcomes.append(outcome)
                if not outcome.delivered:
                    return

    async def _send(self, delivery: Row) -> Outcome:
        try:
            body = _body(delivery, region=self._region)
            secret = self._box.open(bytes(delivery["secret"]), delivery["webhook_id"])
            signed = headers(delivery["id"], secret, body, self._clock())
            status = await self._sender.deliver(delivery["url"], signed, body)
        except (DeliveryError, RegistryError) as error:
            return Outcome(delivery, None, str(error)[:ERROR_LENGTH])
        except Exception as error:
            LOG.exception("delivery %s could not be sent", delivery["id"])
            return Outcome(delivery, None, type(error).__name__)
        return Outcome(delivery, status, None if 200 <= status < 300 else f"The answer was {status}.")

    async def _record(self, taken: Sequence[Row], outcomes: Sequence[Outcome]) -> None:
        """Write down what the attempts came to; what was not attempted is as it was."""
        table = schema.deliveries
        attempted = {outcome.delivery["id"] for outcome in outcomes}
        rows = [_recorded(outcome, self._clock()) for outcome in outcomes]
        rest = [delivery["id"] for delivery in taken if delivery["id"] not in attempted]
        async with self._database.transaction() as connection:
            if rows:
                changes: dict[str, Any] = {name: bindparam(f"b_{name}") for name in rows[0] if name != "id"}
                one = update(table).where(table.c.id == bindparam("b_id")).values(changes)
                await connection.execute(one, [{f"b_{name}": value for name, value in row.items()} for row in rows])
            if rest:
                await connection.execute(update(table).where(table.c.id.in_(rest)).values(status=PENDING))


def _behind(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    """The webhooks that have not seen the whole feed."""
    return select(schema.webhooks.c.id).where(schema.webhooks.c.place < bindparam("last"))


def _due(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    """The webhooks that something is due to."""
    table, webhooks = schema.deliveries, schema.webhooks
    due = exists().where(
        table.c.webhook_id == webhooks.c.id,
        table.c.next_attempt_at.is_not(None),
        table.c.next_attempt_at <= bindparam("now"),
    )
    return select(webhooks.c.id).where(due)


def _concerns(webhook: Row, event: Row) -> bool:
    return (
        (webhook["repository_id"] is None or webhook["repository_id"] == event["repository_id"])
        and (not webhook["events"] or event["type"] in webhook["events"])
        and (webhook["payload"] != "s3" or event["type"] in S3_EVENTS)
    )


async def _told(connection: AsyncConnection, numbers: Sequence[str]) -> Sequence[Row]:
    """Deliveries with their webhooks and events, in order."""
    table, webhooks, events, repositories = (
        schema.deliveries,
        schema.webhooks,
        schema.events,
        schema.repositories,
    )
    query = (
        select(
            table.c.id,
            table.c.webhook_id,
            table.c.place,
            table.c.package_id,
            table.c.attempts,
            webhooks.c.url,
            webhooks.c.secret,
            webhooks.c.payload.label("shape"),
            webhooks.c.repository,
            func.coalesce(events.c.type, table.c.event_type).label("type"),
            func.coalesce(events.c.at, table.c.created_at).label("at"),
            events.c.payload,
            repositories.c.name,
            repositories.c.versioning,
            repositories.c.owner_id,
        )
        .join(webhooks, webhooks.c.id == table.c.webhook_id)
        .outerjoin(events, events.c.place == table.c.place)
        .outerjoin(repositories, repositories.c.id == events.c.repository_id)
        .where(table.c.id.in_(numbers))
        .order_by(table.c.place, table.c.id)
    )
    return (await connection.execute(query)).mappings().all()


def _lanes(taken: Iterable[Row]) -> Iterable[Sequence[Row]]:
    """What has to be sent one after the other: the deliveries of one package. Others stand alone."""
    lanes: dict[str, list[Row]] = {}
    for delivery in taken:
        lanes.setdefault(delivery["package_id"] or delivery["id"], []).append(delivery)
    return lanes.values()


def _body(delivery: Row, *, region: str) -> bytes:
    if delivery["type"] == TEST:
        if delivery["shape"] == "s3":
            return s3_test_body(delivery["at"], delivery["repository"])
        return registry_body(TEST, delivery["at"], {"webhook_id": delivery["webhook_id"]})
    if delivery["payload"] is None:
        raise DeliveryError("The event was forgotten: it is too old.")
    if delivery["shape"] == "s3":
        return s3_body(delivery, json.loads(delivery["payload"]), region=region)
    event = event_of(delivery)
    data = {**event.payload, "event_id": event.id, "repository": event.repository, "package_id": event.package_id}
    return registry_body(event.type, event.at, data)


def _recorded(outcome: Outcome, now: int) -> dict[str, Any]:
    attempts = outcome.delivery["attempts"] + 1
    row = {
        "id": outcome.delivery["id"],
        "attempts": attempts,
        "response_status": outcome.status,
        "error": outcome.error,
        "status": DELIVERED,
        "next_attempt_at": None,
        "delivered_at": now if outcome.delivered else None,
    }
    if outcome.delivered:
        return row
    if attempts >= ATTEMPTS:
        LOG.warning("delivery %s was given up after %d attempts: %s", row["id"], attempts, outcome.error)
        return {**row, "status": DEAD_LETTER}
    return {**row, "status": RETRY_WAIT, "next_attempt_at": now + int(wait(attempts) * SECOND)}


def wait(attempts: int) -> float:
    """Seconds until a delivery that has failed so often is tried again."""
    usual: int = min(FIRST_WAIT * WAIT_FACTOR ** (attempts - 1), LONGEST_WAIT)
    return usual * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load, keeps no secret
