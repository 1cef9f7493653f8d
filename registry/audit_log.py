"""The audit as it is read: any question, newest first, in pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from registry import audit
from registry.appended import first_after, first_since, place
from registry.db import schema
from registry.db.database import Database
from registry.model import Actor, AuditEntry, AuditQuery, Page
from registry.repositories import Repositories

STRETCH = 100_000
"""Entries that one question without an index of its own looks at before it answers with what it has."""

_FIELDS = (
    "actor",
    "access_key",
    "source_address",
    "request_id",
    "action",
    "outcome",
    "repository",
    "resource",
    "package_id",
    "version_id",
)
_NARROW = frozenset({"package_id", "resource"})
"""Fields with an index and few entries for each value."""
_ORDERED = frozenset({"actor", "repository"})
"""Fields with an index that gives a page at once, where nothing else is asked."""


class AuditLog:
    """Who did what. Entries are only ever added: see `registry.audit`."""

    def __init__(self, database: Database, repositories: Repositories) -> None:
        self._database = database
        self._repositories = repositories

    async def query(
        self, actor: Actor, query: AuditQuery, *, after: str | None = None, limit: int = 100
    ) -> Page[AuditEntry]:
        """The entries for which every criterion holds, newest first: `since` inclusive, `until` exclusive.

        An administrator sees all, an account those of its repositories. `after` is the id of an entry; the page
        begins with an older one. A page may hold fewer than `limit` entries, even none, and have a next one.
        """
        if not actor.administrator and query.repository is not None:
            await self._repositories.permitted(actor, "audit.read", query.repository)
        table = schema.audit_entries
        criteria = {name: value for name in _FIELDS if (value := getattr(query, name)) is not None}
        async with self._database.read() as connection:
            floor, ceiling = await _bounds(connection, query, after)
            low = floor if _is_indexed(actor, criteria) else max(floor, ceiling - STRETCH)
            found = _matching(select(table).where(table.c.id >= low, table.c.id < ceiling), query, criteria)
            if not actor.administrator:
                found = found.where(_own(actor))
            rows = (await connection.execute(found.order_by(table.c.id.desc()).limit(limit + 1))).mappings().all()
        items = [_entry(row) for row in rows[:limit]]
        if len(rows) > limit:
            return Page(items, str(items[-1].id))
        return Page(items, str(low) if low > floor else None)


async def _bounds(connection: AsyncConnection, query: AuditQuery, after: str | None) -> tuple[int, int]:
    """The ids between which all that can match lies: from the first, below the second."""
    table = schema.audit_entries
    first, last = (await connection.execute(select(func.min(table.c.id), func.max(table.c.id)))).one()
    floor, ceiling = first or 0, (last or 0) + 1
    if query.since is not None:
        floor = max(floor, await first_since(connection, table, query.since))
    if query.until is not None:
        ceiling = min(ceiling, await first_after(connection, table, query.until))
    if after is not None:
        ceiling = min(ceiling, place(after))
    return floor, ceiling


def _is_indexed(actor: Actor, criteria: Mapping[str, str]) -> bool:
    """Whether an index leads to the matching entries and to few others."""
    asked = set(criteria)
    if asked & _NARROW or criteria.get("outcome", audit.DONE) != audit.DONE:
        return True
    return len(asked) <= 1 and asked <= _ORDERED and (actor.administrator or "repository" in asked)


def _matching(found: Select[Any], query: AuditQuery, criteria: Mapping[str, str]) -> Select[Any]:
    table = schema.audit_entries
    found = found.where(*(table.c[name] == value for name, value in criteria.items()))
    if criteria.get("outcome", audit.DONE) != audit.DONE:
        found = found.where(table.c.outcome != literal_column(f"'{audit.DONE}'"))  # as the index says it
    if query.since is not None:
        found = found.where(table.c.at >= query.since)
    if query.until is not None:
        found = found.where(table.c.at < query.until)
    return found


def _own(actor: Actor) -> ColumnElement[bool]:
    """Entries of what the actor owns; not those of an earlier repository of the same name."""
    table, repositories = schema.audit_entries, schema.repositories
    return exists().where(
        repositories.c.name == table.c.repository,
        repositories.c.owner_id == actor.account_id,
        repositories.c.created_at <= table.c.at,
    )


def _entry(row: Any) -> AuditEntry:
    detail = None if row["detail"] is None else json.loads(row["detail"])
    return AuditEntry(id=row["id"], at=row["at"], detail=detail, **{name: row[name] for name in _FIELDS})
