"""Holds: named reasons why something must stay. A released hold stays in the history."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from registry import audit, events, policy
from registry.clock import Clock
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.errors import HoldNotFoundError, InvalidArgumentError, PackageNotFoundError, VersionNotFoundError
from registry.ids import uuid7
from registry.model import Actor, Hold, HoldQuery, Page, Repository
from registry.names import package_name
from registry.repositories import Repositories

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
REASON = 2_000
"""Characters of a reason."""


class Holds:
    """Place, release and list holds."""

    def __init__(self, database: Database, repositories: Repositories, clock: Clock) -> None:
        self._database = database
        self._repositories = repositories
        self._clock = clock

    async def place(
        self,
        actor: Actor,
        *,
        package_id: str | None = None,
        version_id: str | None = None,
        name: str,
        reason: str,
        case_ref: str | None = None,
    ) -> Hold:
        """Place a hold on a package or on one file version. From then on nothing removes or replaces it."""
        if not _NAME.fullmatch(name):
            raise InvalidArgumentError(
                "name",
                name,
                "A hold's name has 1 to 128 letters, digits, and . _ -, and begins with a letter or digit.",
            )
        check_reason(reason)
        if (package_id is None) == (version_id is None):
            raise InvalidArgumentError(
                "package_id", None, "A hold is on a package or on a file version: name one of them."
            )
        repository, resource, lock = await self._target(actor, "hold.place", package_id, version_id)
        row: dict[str, Any] = {
            "id": f"hold_{uuid7()}",
            "name": name,
            "repository_id": repository.id,
            "package_id": package_id,
            "version_id": version_id,
            "reason": reason.strip(),
            "case_ref": case_ref,
            "placed_by": actor.name,
            "placed_at": self._clock(),
            "released_by": None,
            "released_at": None,
            "release_reason": None,
        }
        async with self._database.transaction(*lock) as connection:
            # What was there to be held may have gone while the lock was waited for.
            await self._there(connection, package_id, version_id)
            await connection.execute(insert(schema.holds).values(row))
            await self._tell(connection, actor, ("hold.place", "hold.placed"), repository, resource=resource, row=row)
        return Hold(**row)

    async def release(self, actor: Actor, hold_id: str, *, reason: str) -> Hold:
        """Release a hold; repeating it changes nothing."""
        check_reason(reason)
        table = schema.holds
        async with self._database.read() as connection:
            found = (await connection.execute(select(table).where(table.c.id == hold_id))).mappings().first()
        if found is None:
            raise HoldNotFoundError(f"There is no hold {hold_id}.")
        try:
            repository, resource, lock = await self._target(
                actor, "hold.release", found["package_id"], found["version_id"]
            )
        except (PackageNotFoundError, VersionNotFoundError):
            raise HoldNotFoundError(f"There is no hold {hold_id}.") from None
        async with self._database.transaction(*lock) as connection:
            row = dict((await connection.execute(select(table).where(table.c.id == hold_id))).mappings().one())
            if row["released_at"] is None:
                row |= {"released_by": actor.name, "released_at": self._clock(), "release_reason": reason.strip()}
                released = {name: row[name] for name in ("released_by", "released_at", "release_reason")}
                await connection.execute(update(table).where(table.c.id == hold_id).values(released))
                await self._tell(
                    connection, actor, ("hold.release", "hold.released"), repository, resource=resource, row=row
                )
        return Hold(**row)

    async def list(self, actor: Actor, query: HoldQuery, *, after: str | None = None, limit: int = 100) -> Page[Hold]:
        """The holds that match, the oldest first; `after` is the `next` of the page before."""
        table, repositories = schema.holds, schema.repositories
        found = select(table).join(repositories, repositories.c.id == table.c.repository_id)
        if query.repository is not None:
            await self._repositories.permitted(actor, "hold.read", query.repository)
            found = found.where(repositories.c.name == query.repository)
        if not actor.administrator:
            found = found.where(repositories.c.owner_id == actor.account_id)
        for name in ("package_id", "version_id", "name", "case_ref"):
            value = getattr(query, name)
            if value is not None:
                found = found.where(table.c[name] == value)
        if query.active is not None:
            found = found.where(table.c.released_at.is_(None) if query.active else table.c.released_at.is_not(None))
        if after is not None:
            found = found.where(table.c.id > after)
        async with self._database.read() as connection:
            rows = (await connection.execute(found.order_by(table.c.id).limit(limit + 1))).mappings().all()
        items = [Hold(**row) for row in rows[:limit]]
        return Page(items, items[-1].id if len(rows) > limit else None)

    async def _target(
        self, actor: Actor, action: str, package_id: str | None, version_id: str | None
    ) -> tuple[Repository, str, tuple[Lock, ...]]:
        """The repository of what is to be held, its name in it, and the locks that hold it still."""
        async with self._database.read() as connection:
            row = await self._there(connection, package_id, version_id)
        repository = await self._repositories.refreshed(row["repository"])
        if not policy.may(actor, "repository.read", repository):
            await self._missing(package_id, version_id)
        policy.require(actor, action, repository)
        shared = Lock(Scope.REPOSITORY, str(repository.id), shared=True)
        name = row["name"] if package_id is not None else package_name(row["name"], repository.package_depth)
        own = (
            Lock(Scope.FILE, f"{repository.id}/{row['name']}")
            if name is None
            else Lock(Scope.PACKAGE, f"{repository.id}/{name}")
        )
        return repository, row["name"], (shared, own)

    async def _there(self, connection: AsyncConnection, package_id: str | None, version_id: str | None) -> Any:
        repositories = schema.repositories
        if package_id is not None:
            table, name, wanted = schema.packages, schema.packages.c.name, schema.packages.c.id == package_id
        else:
            table, name = schema.file_versions, schema.file_versions.c.key
            wanted = (table.c.id == version_id) & ~table.c.delete_marker
        query = (
            select(name.label("name"), repositories.c.name.label("repository"))
            .select_from(table.join(repositories, repositories.c.id == table.c.repository_id))
            .where(wanted)
        )
        row = (await connection.execute(query)).mappings().first()
        return row if row is not None else await self._missing(package_id, version_id)

    async def _missing(self, package_id: str | None, version_id: str | None) -> Any:
        if package_id is not None:
            raise PackageNotFoundError(package_id)
        raise VersionNotFoundError("", version_id or "")

    async def _tell(
        self,
        connection: AsyncConnection,
        actor: Actor,
        happening: tuple[str, str],
        repository: Repository,
        *,
        resource: str,
        row: dict[str, Any],
    ) -> None:
        action, kind = happening
        now = self._clock()
        detail = {name: row[name] for name in ("id", "name", "reason", "case_ref", "release_reason") if row[name]}
        entry = audit.entry(
            now,
            actor,
            action,
            repository=repository.name,
            resource=resource,
            package_id=row["package_id"],
            version_id=row["version_id"],
            detail=detail,
        )
        payload = {"repository": repository.name, "resource": resource, "hold": detail}
        happened = events.event(now, kind, payload, repository_id=repository.id, package_id=row["package_id"])
        await connection.execute(insert(schema.audit_entries).values(entry))
        await connection.execute(insert(schema.events).values(happened))


def check_reason(reason: str) -> None:
    """Raise InvalidArgumentError unless a reason was given."""
    if not reason.strip() or len(reason) > REASON:
        raise InvalidArgumentError(
            "reason", reason[:80], f"A reason is required: say why, in 1 to {REASON} characters."
        )
