"""Retention classes: how long what is evidence of what must be kept."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import insert, select

from registry.clock import Clock
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.model import RetentionClass


class Retention:
    """The classes, and later what is kept by them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def seed(self, classes: Iterable[RetentionClass]) -> None:
        """Add the classes that are not there yet; what is there is the operator's and stays as it is."""
        table = schema.retention_classes
        async with self._database.transaction(Lock(Scope.JOB, "retention classes")) as connection:
            known = set((await connection.execute(select(table.c.name))).scalars())
            for retention_class in classes:
                if retention_class.name not in known:
                    await connection.execute(
                        insert(table).values(
                            name=retention_class.name,
                            duration=retention_class.duration,
                            description=retention_class.description,
                            rank=retention_class.rank,
                            updated_at=self._clock(),
                        )
                    )
