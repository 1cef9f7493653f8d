"""Who may run the jobs: one process at a time, and another one when it is gone."""

from __future__ import annotations

import uuid

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from registry.clock import SECOND, Clock
from registry.db import schema
from registry.db.database import Database


class Lease:
    """A row that one holder owns until a time. Renewed by its holder, taken over once it has run out.

    Machines' clocks may differ by less than `seconds`: two holders at once are possible beyond that, and whoever
    does anything under a lease must do no harm then.
    """

    def __init__(self, database: Database, name: str, clock: Clock, *, seconds: float = 15.0) -> None:
        self.seconds = seconds
        self._database = database
        self._name = name
        self._clock = clock
        self._holder = uuid.uuid4().hex

    async def take(self) -> bool:
        """Take the lease or renew it. False where another one holds it."""
        table, now = schema.leases, self._clock()
        # Looking costs a reader nothing; only who can win goes on to write.
        async with self._database.read() as connection:
            row = (await connection.execute(select(table).where(table.c.name == self._name))).first()
        if row is not None and row.holder != self._holder and row.until > now:
            return False
        mine = {"holder": self._holder, "until": now + int(self.seconds * SECOND)}
        async with self._database.transaction() as connection:
            family = sqlite if connection.dialect.name == "sqlite" else postgresql
            claim = family.insert(table).values(name=self._name, **mine)
            free = (table.c.until <= now) | (table.c.holder == self._holder)
            taken = await connection.execute(
                claim.on_conflict_do_update(index_elements=["name"], set_=mine, where=free)
            )
            return taken.rowcount == 1

    async def release(self) -> None:
        """Let the next one have it at once."""
        table = schema.leases
        async with self._database.transaction() as connection:
            mine = (table.c.name == self._name) & (table.c.holder == self._holder)
            await connection.execute(update(table).where(mine).values(until=0))
