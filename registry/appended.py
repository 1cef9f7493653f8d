"""Tables that are only ever appended to: their rows' ids grow with their rows' times.

So a time can be looked up by halving along the primary key, and nobody has to pay for an index on the time.
The order is not exact: gateways' clocks differ, and a transaction that began earlier may end later.
"""

from __future__ import annotations

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from registry.clock import SECOND
from registry.errors import InvalidArgumentError

DISORDER = 600 * SECOND
"""How far a row's time may lie from those of its neighbours."""


async def first_since(connection: AsyncConnection, table: Table, at: int) -> int:
    """An id below which every row is older than `at`, and not much below the first that is not."""
    return await _boundary(connection, table, at - DISORDER)


async def first_after(connection: AsyncConnection, table: Table, at: int) -> int:
    """An id from which on every row is younger than `at`, and not much above the last that is not."""
    return await _boundary(connection, table, at + DISORDER)


async def _boundary(connection: AsyncConnection, table: Table, at: int) -> int:
    low, high = (await connection.execute(select(func.min(table.c.id), func.max(table.c.id) + 1))).one()
    if low is None:
        return 0
    while low < high:
        middle = (low + high) // 2
        later = select(table.c.id, table.c.at).where(table.c.id >= middle).order_by(table.c.id).limit(1)
        row = (await connection.execute(later)).first()
        if row is None or row.at >= at:
            high = middle
        else:
            low = row.id + 1
    return int(low)


def place(after: str) -> int:
    """The number that a page goes on from. Raises InvalidArgumentError for what no page gave."""
    if not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise InvalidArgumentError("after", after, "Give the `next` of the page before, as it was given.")
    return int(after)
