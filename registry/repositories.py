"""Repositories: what S3 calls buckets."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, cast

from sqlalchemy import bindparam, delete, exists, func, insert, select, update
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ClauseElement

from backends.store import StoreError
from registry import audit, events, policy
from registry.blobs import Blobs
from registry.changes import Change, StaleError
from registry.clock import SECOND, Clock
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.db.types import is_held
from registry.errors import (
    ConflictError,
    PreconditionFailedError,
    RepositoryExistsError,
    RepositoryNotEmptyError,
    RepositoryNotFoundError,
    RepositoryOwnedError,
    StorageUnavailableError,
    TooManyRepositoriesError,
)
from registry.listing import bounds
from registry.model import EMPTY, Actor, Overwrite, Repository, Versioning
from registry.names import check_repository_name
from registry.repository_settings import checked_settings

CACHED = SECOND
"""How long a repository's settings may be stale where that is safe; every transaction reads them anew."""

ATTEMPTS = 8
"""How often a change is decided again because what it went by has changed."""

LIMIT = 1000
"""Repositories an account may own."""


class RepositoryChange(Change, Protocol):
    """A change inside a repository, decided by what the repository was last known to be."""

    @property
    def repository(self) -> Repository:
        """As it was known."""

    @property
    def actor(self) -> Actor:
        """Who asks."""


class Repositories:
    """Create, look up and delete repositories."""

    def __init__(self, database: Database, blobs: Blobs, clock: Clock) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._cache: dict[str, tuple[int, Repository]] = {}

    async def create(
        self, actor: Actor, name: str, *, object_lock: bool = False, settings: Mapping[str, Any] = EMPTY
    ) -> Repository:
        """Create a repository owned by the actor. `settings` as in `update`."""
        policy.require(actor, "repository.create")
        check_repository_name(name)
        now = self._clock()
        table = schema.repositories
        async with self._database.transaction(Lock(Scope.REPOSITORY, name)) as connection:
            owner = (
                await connection.execute(select(table.c.owner_id).where(table.c.name == name))
            ).scalar_one_or_none()
            if owner is not None:
                raise RepositoryOwnedError(name) if owner == actor.account_id else RepositoryExistsError(name)
            owned = select(func.count()).select_from(table).where(table.c.owner_id == actor.account_id)
            if (await connection.execute(owned)).scalar_one() >= LIMIT:
                raise TooManyRepositoriesError(
                    f"You have attempted to create more buckets than allowed: an account owns at most {LIMIT}."
                )
            row = {
                "name": name,
                "owner_id": actor.account_id,
                "created_at": now,
                "object_lock": object_lock,
                "versioning": (Versioning.ENABLED if object_lock else Versioning.OFF).value,
            }
            row |= await checked_settings(connection, settings, object_lock=object_lock)
            number = (await connection.execute(insert(table).values(row).returning(table.c.id))).scalar_one()
            detail = {"settings": dict(settings)} if settings else None
            await self._tell(connection, actor, "repository.create", name, number=number, detail=detail)
        return await self.refreshed(name)

    async def get(self, actor: Actor, name: str) -> Repository:
        """The repository, as it was at most a second ago."""
        return await self.permitted(actor, "repository.read", name)

    async def permitted(self, actor: Actor, action: str, name: str) -> Repository:
        """The repository, if the actor may do `action` to it."""
        cached = self._cache.get(name)
        if cached is not None and self._clock() - cached[0] < CACHED:
            found = cached[1]
        else:
            found = await self.refreshed(name)
        policy.require(actor, action, found)
        return found

    async def refreshed(self, name: str) -> Repository:
        """The repository as it is now."""
        row = await self._database.point(_by_name, {"name": name}) if is_held(name) else None
        if row is None:
            self._cache.pop(name, None)
            raise RepositoryNotFoundError(name)
        if len(self._cache) > 10_000:
            self._cache.clear()
        found = _repository(row)
        self._cache[name] = (self._clock(), found)
        return found

    async def submit(self, change: RepositoryChange) -> Any:
        """Commit a change; again on fresh rows where the repository is not what it was known to be."""
        for _ in range(ATTEMPTS):
            try:
                return await self._database.submit(change)
            except StaleError:
                fresh = await self.refreshed(change.repository.name)
                policy.require(change.actor, "file.write", fresh)
                change = cast("RepositoryChange", replace(cast("Any", change), repository=fresh))
        raise ConflictError(f"The repository {change.repository.name} kept changing meanwhile. Try again.")

    async def list(
        self, actor: Actor, *, prefix: str = "", after: str = "", limit: int = 10_000
    ) -> Sequence[Repository]:
        """The repositories the actor may see, by name. `after` is exclusive."""
        policy.require(actor, "repository.list")
        table = schema.repositories
        if not is_held(prefix):
            return ()
        low, high = bounds(prefix, "", after)
        query = _with_owner().where(table.c.name >= low).order_by(table.c.name).limit(limit)
        if high is not None:
            query = query.where(table.c.name < high)
        if not actor.administrator:
            query = query.where(table.c.owner_id == actor.account_id)
        async with self._database.read() as connection:
            return [_repository(row) for row in (await connection.execute(query)).mappings()]

    async def update(
        self, actor: Actor, name: str, settings: Mapping[str, Any], *, expected: Repository | None = None
    ) -> Repository:
        """Change the settings given, by the names of `Repository`'s fields.

        `expected`: only if it still is this, or PreconditionFailedError. Raises InvalidArgumentError for a setting
        that cannot be, InvalidRequestError for one that this repository cannot have any more.
        """
        known = await self.permitted(actor, "repository.update", name)
        table = schema.repositories
        # Writers hold the shared lock of the repository: alone, nothing is written by the old settings any more.
        async with self._database.transaction(Lock(Scope.REPOSITORY, str(known.id))) as connection:
            row = (await connection.execute(_with_owner().where(table.c.id == known.id))).mappings().first()
            if row is None:
                raise RepositoryNotFoundError(name)
            before = _repository(row)
            if expected is not None and before != expected:
                raise PreconditionFailedError("If-Match")
            wanted = await checked_settings(connection, settings, object_lock=before.object_lock, before=before)
            changed = {field: value for field, value in wanted.items() if value != row[field]}
            if changed:
                await connection.execute(update(table).where(table.c.id == known.id).values(changed))
                detail = {"before": {field: row[field] for field in changed}, "after": changed}
                await self._tell(connection, actor, "repository.update", name, number=known.id, detail=detail)
        return await self.refreshed(name)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete a repository that holds nothing: no file version, no explicit package.

        Uploads in progress hold nothing yet, as in S3: they are given up.
        """
        found = await self.refreshed(name)
        policy.require(actor, "repository.delete", found)
        table = schema.repositories
        # Writers hold the shared lock of the repository: alone, nothing can come in meanwhile.
        async with self._database.transaction(Lock(Scope.REPOSITORY, str(found.id))) as connection:
            versions, uploads, packages = schema.file_versions, schema.uploads, schema.packages
            begun = select(uploads.c.store, uploads.c.store_upload).where(
                uploads.c.repository_id == found.id, uploads.c.completed_at.is_(None)
            )
            holding = [
                ("file versions", exists().where(versions.c.repository_id == found.id)),
                (
                    "packages",
                    exists().where(
                        packages.c.repository_id == found.id,
                        packages.c.explicit | packages.c.status.in_(("finalized", "deleted")),
                    ),
                ),
            ]
            held = (await connection.execute(select(*(test for _, test in holding)))).one()
            left = [what for (what, _), there in zip(holding, held, strict=True) if there]
            if left:
                raise RepositoryNotEmptyError(
                    f"The bucket you tried to delete is not empty: it holds {', '.join(left)}."
                )
            given_up = (await connection.execute(begun)).all()
            await connection.execute(delete(uploads).where(uploads.c.repository_id == found.id))
            await connection.execute(delete(packages).where(packages.c.repository_id == found.id))
            gone = await connection.execute(delete(table).where(table.c.id == found.id))
            if gone.rowcount == 0:
                raise RepositoryNotFoundError(name)  # another one was sooner
            await self._tell(connection, actor, "repository.delete", name, number=found.id)
        self._cache.pop(name, None)
        for store, upload in given_up:
            with contextlib.suppress(StoreError, StorageUnavailableError):  # reconcile finds what is left of the bytes
                await self._blobs.store(store).abort_multipart(upload)

    async def _tell(
        self,
        connection: AsyncConnection,
        actor: Actor,
        action: str,
        name: str,
        *,
        number: int,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        now = self._clock()
        entry = audit.entry(now, actor, action, repository=name, detail=detail)
        event = events.event(now, f"{action}d", {"repository": name, **(detail or {})}, repository_id=number)
        await connection.execute(insert(schema.audit_entries).values(entry))
        await connection.execute(insert(schema.events).values(event))


def _with_owner() -> Any:
    table, accounts = schema.repositories, schema.accounts
    return select(table, accounts.c.name.label("owner_name")).join(accounts, accounts.c.id == table.c.owner_id)


def _by_name(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    return cast("ClauseElement", _with_owner().where(schema.repositories.c.name == bindparam("name")))


def _repository(row: Any) -> Repository:
    return Repository(
        id=row["id"],
        name=row["name"],
        owner_id=row["owner_id"],
        owner_name=row["owner_name"],
        created_at=row["created_at"],
        package_depth=row["package_depth"],
        overwrite=Overwrite(row["overwrite"]),
        versioning=Versioning(row["versioning"]),
        object_lock=bool(row["object_lock"]),
        default_retention_class=row["default_retention_class"],
        auto_finalize_after=row["auto_finalize_after"],
        expire_automatically=bool(row["expire_automatically"]),
    )
