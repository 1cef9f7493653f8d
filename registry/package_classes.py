"""Retention classes, looked up inside a transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from registry.db import schema
from registry.errors import InvalidArgumentError


async def class_duration(connection: AsyncConnection, name: Any) -> int | None:
    """Seconds of a retention class. Raises InvalidArgumentError naming those there are."""
    table = schema.retention_classes
    rows = (await connection.execute(select(table.c.name, table.c.duration).order_by(table.c.rank))).all()
    for known, duration in rows:
        if known == name:
            return None if duration is None else int(duration)
    there = ", ".join(known for known, _ in rows)
    raise InvalidArgumentError("retention_class", name, f"There is no retention class {name!r}; there are {there}.")
