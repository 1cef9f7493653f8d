"""Packages whose time has come: deleted where their repository opted in, and nowhere else."""

from __future__ import annotations

import logging

from sqlalchemy import select

from registry.accounts import SYSTEM
from registry.db import schema
from registry.db.database import Database
from registry.errors import RegistryError
from registry.jobs.job import Job
from registry.packages import Packages

LOG = logging.getLogger(__name__)

PAGE = 100
REASON = "its retention is over, and its repository deletes such packages automatically"


class ExpiredPackages(Job):
    """Carries out the deletion plan of each repository that has `expire_automatically`."""

    name = "expired packages"
    interval = 600.0

    def __init__(self, database: Database, packages: Packages) -> None:
        self._database = database
        self._packages = packages

    async def run_once(self, now: int) -> None:  # noqa: ARG002 - the plan is that of this moment
        table = schema.repositories
        async with self._database.read() as connection:
            willing = select(table.c.name).where(table.c.expire_automatically).order_by(table.c.name)
            names = (await connection.execute(willing)).scalars().all()
        for name in names:
            await self._expire(name)

    async def _expire(self, repository: str) -> None:
        after: str | None = None
        while True:
            plan = await self._packages.deletion_plan(SYSTEM, repository, after=after, limit=PAGE)
            for package in plan.items:
                try:
                    await self._packages.delete(SYSTEM, package.id, reason=REASON)
                except RegistryError as error:  # protected since the plan was made
                    LOG.warning("package %s was not deleted: %s", package.id, error.message)
                else:
                    LOG.info("deleted package %s of %s: %s", package.name, repository, REASON)
            if plan.next is None:
                return
            after = plan.next
