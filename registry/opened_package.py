"""A package held still by a transaction, so that something can be done to it as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from registry import audit, events
from registry.db import schema
from registry.model import Actor, Package, Repository
from registry.package_search import package_of


@dataclass(slots=True)
class Opened:
    """A package held still by a transaction: `row` is to be altered, then written by `Packages.write`."""

    connection: AsyncConnection
    repository: Repository
    row: dict[str, Any]
    now: int

    async def tell(self, actor: Actor, action: str, kind: str, detail: Mapping[str, Any]) -> None:
        """Record what was done, in the transaction that does it."""
        entry = audit.entry(
            self.now,
            actor,
            action,
            repository=self.repository.name,
            resource=self.row["name"],
            package_id=self.row["id"],
            detail=detail,
        )
        payload = {
            "repository": self.repository.name,
            "package": self.row["name"],
            "package_id": self.row["id"],
            **detail,
        }
        happened = events.event(self.now, kind, payload, repository_id=self.repository.id, package_id=self.row["id"])
        await self.connection.execute(insert(schema.audit_entries).values(entry))
        await self.connection.execute(insert(schema.events).values(happened))

    async def write(self) -> Package:
        """Write the row as it is now."""
        table = schema.packages
        self.row["updated_at"] = self.now
        values = {name: self.row[name] for name in table.columns.keys() if name != "id"}  # noqa: SIM118 - a mapping
        await self.connection.execute(update(table).where(table.c.id == self.row["id"]).values(values))
        return package_of(self.row)
