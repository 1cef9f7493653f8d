"""What need not be known for ever: events that were told, deliveries, and answers to requests. Never the audit."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, exists, func, select

from registry.appended import first_after
from registry.clock import SECOND
from registry.db import schema
from registry.db.database import Database
from registry.event_log import EventLog
from registry.idempotency import KEPT
from registry.jobs.job import Job

AT_ONCE = 1000
"""Rows deleted in one transaction, so that no writer waits long."""


class Forgetting(Job):
    """Deletes deliveries that are over and events, both older than `age` seconds, and answers after their day."""

    name = "forgetting"
    interval = 3600.0

    def __init__(self, database: Database, events: EventLog, *, age: int) -> None:
        self._database = database
        self._events = events
        self._age = age

    async def run_once(self, now: int) -> None:
        old = now - self._age * SECOND
        deliveries, keys = schema.deliveries, schema.idempotency_keys
        over = deliveries.c.next_attempt_at.is_(None) & (deliveries.c.created_at <= old)
        while await self._forget(deliveries, over):
            pass
        await self._events.settle()
        while await self._forget(schema.events, await self._forgettable(old)):
            pass
        async with self._database.transaction() as connection:
            await connection.execute(delete(keys).where(keys.c.claimed_at <= now - KEPT))

    async def _forgettable(self, old: int) -> Any:
        """Old events that nobody has yet to be told; the newest stays, as places are counted from it."""
        events, deliveries, webhooks = schema.events, schema.deliveries, schema.webhooks
        async with self._database.read() as connection:
            stop = await first_after(connection, events, old)
            reached, newest = (
                await connection.execute(
                    select(
                        select(func.min(webhooks.c.place)).scalar_subquery(),
                        select(func.max(events.c.place)).scalar_subquery(),
                    )
                )
            ).one()
        told = (newest or 0) - 1 if reached is None else min(reached, (newest or 0) - 1)
        return (
            (events.c.id < stop)
            & (events.c.at <= old)
            & (events.c.place <= told)
            & ~exists().where(deliveries.c.place == events.c.place)
        )

    async def _forget(self, table: Any, which: Any) -> bool:
        """Delete some such rows. Whether there may be more."""
        some = select(table.c.id).where(which).order_by(table.c.id).limit(AT_ONCE)
        async with self._database.transaction() as connection:
            gone = await connection.execute(delete(table).where(table.c.id.in_(some)))
        return bool(gone.rowcount == AT_ONCE)
