"""Retention: the classes, and for each package how long it must be kept. Its end only ever moves later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import insert, select, update

from registry import audit, policy
from registry.clock import SECOND, Clock
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.errors import InvalidArgumentError, PackageStateError, RetentionClassNotFoundError
from registry.holds import check_reason
from registry.model import Actor, Eligibility, Package, PackageStatus, Page, Protection, RetentionClass
from registry.package_classes import class_duration
from registry.package_search import package_of, with_repository
from registry.packages import Packages
from registry.protection import moment, package_reasons
from registry.repositories import Repositories
from registry.terms import begins, expiry, later


class Retention:
    """Classes, extension, change of class, and eligibility for deletion."""

    def __init__(self, database: Database, repositories: Repositories, packages: Packages, clock: Clock) -> None:
        self._database = database
        self._repositories = repositories
        self._packages = packages
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

    async def classes(self, actor: Actor) -> Sequence[RetentionClass]:
        """Every class, from the shortest-lived to the longest."""
        policy.require(actor, "retention.read")
        table = schema.retention_classes
        query = select(table.c.name, table.c.duration, table.c.description, table.c.rank).order_by(
            table.c.rank, table.c.name
        )
        async with self._database.read() as connection:
            return [RetentionClass(**row) for row in (await connection.execute(query)).mappings()]

    async def set_class_default(self, actor: Actor, name: str, seconds: int | None) -> RetentionClass:
        """Give a class another term (None: for ever). What exists keeps its end; it is never shortened by this."""
        policy.require(actor, "retention.administer")
        if seconds is not None and seconds <= 0:
            raise InvalidArgumentError("duration", seconds, "The term of a class is at least a second, or for ever.")
        table = schema.retention_classes
        async with self._database.transaction(Lock(Scope.JOB, "retention classes")) as connection:
            row = (await connection.execute(select(table).where(table.c.name == name))).mappings().first()
            if row is None:
                raise RetentionClassNotFoundError(f"There is no retention class {name!r}.")
            changed = update(table).where(table.c.name == name).values(duration=seconds, updated_at=self._clock())
            await connection.execute(changed)
            detail = {"before": row["duration"], "after": seconds}
            entry = audit.entry(self._clock(), actor, "retention.class", resource=name, detail=detail)
            await connection.execute(insert(schema.audit_entries).values(entry))
        return RetentionClass(row["name"], seconds, row["description"], row["rank"])

    async def extend(
        self, actor: Actor, package_id: str, *, until: int | None = None, seconds: int | None = None, reason: str
    ) -> Package:
        """Keep a package until `until`, or `seconds` longer than now planned. Only ever later."""
        check_reason(reason)
        if (until is None) == (seconds is None):
            raise InvalidArgumentError("until", None, "Give either the new end or how much longer, not both.")
        async with self._packages.opened(actor, "retention.extend", package_id) as package:
            row = package.row
            before = row["expires_at"]
            _check_kept(row)
            if before is None:
                raise InvalidArgumentError("until", until, f"Package {row['name']} is kept for ever already.")
            after = until if until is not None else max(before, package.now) + (seconds or 0) * SECOND
            if after <= package.now:
                raise InvalidArgumentError(
                    "until", after, f"{moment(after)} lies in the past; retention only moves later."
                )
            if after <= before:
                raise InvalidArgumentError(
                    "until",
                    after,
                    f"{moment(after)} is not later than {moment(before)}, until when it is kept already.",
                )
            row["extended_until"] = row["expires_at"] = after
            detail = {"before": before, "after": after, "reason": reason.strip()}
            await package.tell(actor, "retention.extend", "retention.extended", detail)
            return await package.write()

    async def change_class(self, actor: Actor, package_id: str, name: str, *, reason: str) -> Package:
        """Put a package in another class; once it is finalized, only if it is then kept at least as long."""
        check_reason(reason)
        async with self._packages.opened(actor, "retention.change", package_id) as package:
            row = package.row
            _check_kept(row)
            duration = await class_duration(package.connection, name)
            before, old = row["expires_at"], row["retention_class"]
            after = expiry(begins(row), duration, row["extended_until"])
            if row["status"] == PackageStatus.FINALIZED and later(before, after) != after:
                kept = "for ever" if before is None else f"until {moment(before)}"
                raise InvalidArgumentError(
                    "retention_class",
                    name,
                    f"Class {name} would keep package {row['name']} less long than {kept}; retention only moves later.",
                )
            if name != old:
                row["retention_class"], row["expires_at"] = name, after
                detail = {"before": old, "after": name, "expires_at": after, "reason": reason.strip()}
                await package.tell(actor, "retention.change", "retention.changed", detail)
            return await package.write()

    async def eligibility(self, actor: Actor, package_id: str) -> Eligibility:
        """May the package be deleted, and if not, every reason why, and when it may as far as can be told."""
        await self._packages.get(actor, package_id)
        async with self._database.read() as connection:
            query = with_repository().where(schema.packages.c.id == package_id)
            row = (await connection.execute(query)).mappings().one()
            return await self._judged(connection, row)

    async def eligibility_report(
        self, actor: Actor, repository: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page[Eligibility]:
        """The same for every package that is not deleted, in pages."""
        if repository is not None:
            await self._repositories.permitted(actor, "package.read", repository)
        table = schema.packages
        query = with_repository().where(
            table.c.status != PackageStatus.DELETED.value, table.c.explicit | (table.c.file_count > 0)
        )
        if repository is not None:
            query = query.where(schema.repositories.c.name == repository)
        if not actor.administrator:
            query = query.where(schema.repositories.c.owner_id == actor.account_id)
        if after is not None:
            query = query.where(table.c.id > after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(table.c.id).limit(limit + 1))).mappings().all()
            items = [await self._judged(connection, row) for row in rows[:limit]]
        return Page(items, items[-1].package.id if len(rows) > limit else None)

    async def _judged(self, connection: Any, row: Any) -> Eligibility:
        package = package_of(row)
        if package.status is PackageStatus.DELETED:
            gone = Protection("deleted", f"package {package.name} is deleted already")
            return Eligibility(package, eligible=False, reasons=(gone,), eligible_at=None)
        found = await package_reasons(connection, row, self._clock())
        endless = any(reason.until is None for reason in found)
        eligible_at = (
            None if endless or not found else max(reason.until for reason in found if reason.until is not None)
        )
        return Eligibility(package, eligible=not found, reasons=found, eligible_at=eligible_at)


def _check_kept(row: Any) -> None:
    if row["status"] == PackageStatus.DELETED:
        raise PackageStateError(f"Package {row['name']} is deleted; restore it first.")
