"""The feed of events: every event has a place in it, and whoever reads on from a place misses none.

The ids of rows cannot be that: where many write at once, a lower id may be committed after a higher one has been
read. So an event gets its place only once it is committed, from one hand at a time. Events of one package are
committed one after the other, and keep that order.
"""

from __future__ import annotations

import json

from sqlalchemy import exists, func, select, update
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ClauseElement

from registry.appended import place
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.db.statements import Row
from registry.model import Actor, Event, Page
from registry.repositories import Repositories

PLACED = 1000
"""Events that get their place in one transaction."""

STRETCH = 100_000
"""Events that one question looks at before it answers with what it has."""


class EventLog:
    """What happened, oldest first. Events are written by `registry.events`, and forgotten after some time."""

    def __init__(self, database: Database, repositories: Repositories) -> None:
        self._database = database
        self._repositories = repositories

    async def list(
        self,
        actor: Actor,
        *,
        type: str | None = None,  # noqa: A002 - what an event is of
        repository: str | None = None,
        package_id: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Event]:
        """Events in the order of the feed: an administrator's are all, an account's those of its repositories.

        `after` is the id of an event, exclusive. A page may hold fewer than `limit`, even none, and have a next one.
        """
        found = None if repository is None else await self._repositories.permitted(actor, "event.read", repository)
        table, repositories = schema.events, schema.repositories
        query = select(table, repositories.c.name).outerjoin(repositories, repositories.c.id == table.c.repository_id)
        if found is not None:
            query = query.where(table.c.repository_id == found.id)
        if not actor.administrator:
            query = query.where(repositories.c.owner_id == actor.account_id)
        if type is not None:
            query = query.where(table.c.type == type)
        if package_id is not None:
            query = query.where(table.c.package_id == package_id)
        await self.settle()
        async with self._database.read() as connection:
            first, last = (await connection.execute(select(func.min(table.c.place), func.max(table.c.place)))).one()
            start = max(-1 if after is None else place(after), (first or 0) - 1)
            stop = start + STRETCH
            query = query.where(table.c.place > start, table.c.place <= stop)
            rows = (await connection.execute(query.order_by(table.c.place).limit(limit + 1))).mappings().all()
        items = [event_of(row) for row in rows[:limit]]
        if len(rows) > limit:
            return Page(items, str(items[-1].id))
        return Page(items, str(stop) if stop < (last or 0) else None)

    async def settle(self) -> None:
        """Give every event that is committed its place."""
        while (await self._state())["unplaced"]:
            async with self._database.transaction(Lock(Scope.JOB, "event places")) as connection:
                await _place(connection)

    async def last(self) -> int:
        """The place of the newest event that is committed; 0 where there is none."""
        await self.settle()
        return (await self._state())["last"] or 0

    async def _state(self) -> Row:
        """Whether events wait for their place, and the last one given; asked every second, so by index alone."""
        return await self._database.point(_feed, {})


async def _place(connection: AsyncConnection) -> None:
    table = schema.events
    # The newest event is never forgotten (registry/jobs/forgetting.py): places go on from it.
    last = (await connection.execute(select(func.max(table.c.place)))).scalar_one() or 0
    waiting = select(table.c.id).where(table.c.place.is_(None)).order_by(table.c.id).limit(PLACED).subquery()
    numbered = select(waiting.c.id, func.row_number().over(order_by=waiting.c.id).label("number")).subquery()
    await connection.execute(update(table).where(table.c.id == numbered.c.id).values(place=last + numbered.c.number))


def _feed(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    table = schema.events
    last = select(func.max(table.c.place)).scalar_subquery()
    return select(exists().where(table.c.place.is_(None)).label("unplaced"), last.label("last"))


def event_of(row: Row) -> Event:
    """The noun of a row of `events` with the `name` of its repository; a deleted one's is what the event says."""
    payload = json.loads(row["payload"])
    name = row["name"] or payload.get("repository")
    return Event(row["place"], row["at"], row["type"], name, row["package_id"], payload)
