"""Packages whose producer went away before finalizing them."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import ColumnElement, exists, insert, select, update

from registry import audit, events
from registry.accounts import SYSTEM
from registry.clock import SECOND
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.db.statements import Row
from registry.jobs.job import Job
from registry.lifecycle import move
from registry.model import PackageStatus
from registry.terms import expiry

LOG = logging.getLogger(__name__)

TRANSIENT = "transient"
"""The class whose term a failed package's files follow."""

SWEPT = 1000
"""Packages looked at together."""


def uploading(package: Any) -> ColumnElement[bool]:
    """Whether a multipart upload into the package is in progress."""
    uploads = schema.uploads
    return exists().where(
        uploads.c.repository_id == package.c.repository_id,
        uploads.c.key > package.c.name + "/",
        uploads.c.key < package.c.name + "0",  # what follows "/"
        uploads.c.completed_at.is_(None),
    )


class AbandonedPackages(Job):
    """Makes packages failed that were never finalized and to which nothing was written for `age` seconds.

    A failed package keeps its class, for a producer that comes back after all; until then it is kept for as long
    as the transient class says.
    """

    name = "abandoned packages"
    interval = 600.0

    def __init__(self, database: Database, *, age: int) -> None:
        self._database = database
        self._age = age

    async def run_once(self, now: int) -> None:
        table, repositories = schema.packages, schema.repositories
        abandoned = (
            table.c.status.in_((PackageStatus.CREATED.value, PackageStatus.UPLOADING.value))
            & (table.c.updated_at <= now - self._age * SECOND)
            & ~uploading(table)
        )
        query = (
            select(table.c.id, table.c.repository_id, table.c.name, repositories.c.name.label("repository"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(abandoned)
            .order_by(table.c.id)
            .limit(SWEPT)
        )
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        for package in found:
            await self._fail(package, abandoned, now)

    async def _fail(self, package: Row, abandoned: ColumnElement[bool], now: int) -> None:
        table, classes = schema.packages, schema.retention_classes
        locks = (
            Lock(Scope.REPOSITORY, str(package["repository_id"]), shared=True),
            Lock(Scope.PACKAGE, f"{package['repository_id']}/{package['name']}"),
        )
        async with self._database.transaction(*locks) as connection:
            # Written to meanwhile: not abandoned.
            still = select(table.c.name, table.c.status, table.c.expires_at, table.c.extended_until)
            row = (await connection.execute(still.where(table.c.id == package["id"], abandoned))).mappings().first()
            if row is None:
                return
            failed = dict(row)
            move(failed, PackageStatus.FAILED)
            transient = (
                await connection.execute(select(classes.c.duration).where(classes.c.name == TRANSIENT))
            ).first()
            if transient is not None:
                failed["expires_at"] = expiry(now, transient.duration, failed["extended_until"])
            changed = {"status": failed["status"], "expires_at": failed["expires_at"], "updated_at": now}
            await connection.execute(update(table).where(table.c.id == package["id"]).values(changed))
            detail = {"name": package["name"], "expires_at": failed["expires_at"]}
            entry = audit.entry(
                now,
                SYSTEM,
                "package.fail",
                repository=package["repository"],
                resource=package["name"],
                package_id=package["id"],
                detail={"before": {"status": row["status"], "expires_at": row["expires_at"]}, "after": changed},
            )
            payload = {"repository": package["repository"], "package": package["name"], **detail}
            event = events.event(
                now, "package.failed", payload, repository_id=package["repository_id"], package_id=package["id"]
            )
            await connection.execute(insert(schema.audit_entries).values(entry))
            await connection.execute(insert(schema.events).values(event))
        LOG.info("package %s of %s was abandoned", package["name"], package["repository"])
