"""Packages that finalize by themselves: where their repository says so, after nothing was written for a while."""

from __future__ import annotations

import logging

from sqlalchemy import select

from registry.accounts import SYSTEM
from registry.clock import SECOND
from registry.db import schema
from registry.db.database import Database
from registry.errors import RegistryError
from registry.jobs.abandoned_packages import uploading
from registry.jobs.job import Job
from registry.model import PackageStatus
from registry.packages import Packages

LOG = logging.getLogger(__name__)

FINALIZED = 100
"""Packages looked at together."""


class QuietPackages(Job):
    """Finalizes packages of repositories that have `auto_finalize_after`; amendments too."""

    name = "quiet packages"
    interval = 5.0

    def __init__(self, database: Database, packages: Packages) -> None:
        self._database = database
        self._packages = packages

    async def run_once(self, now: int) -> None:
        table, repositories = schema.packages, schema.repositories
        quiet = (
            select(table.c.id, table.c.updated_at)
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(
                repositories.c.auto_finalize_after.is_not(None),
                (table.c.status == PackageStatus.UPLOADING.value)
                | ((table.c.status == PackageStatus.FINALIZED.value) & table.c.amending),
                table.c.updated_at <= now - repositories.c.auto_finalize_after * SECOND,
                table.c.file_count > 0,
                ~uploading(table),
            )
            .order_by(table.c.updated_at)
            .limit(FINALIZED)
        )
        async with self._database.read() as connection:
            found = (await connection.execute(quiet)).all()
        for package_id, updated_at in found:
            try:
                if (await self._packages.get(SYSTEM, package_id)).updated_at == updated_at:
                    await self._packages.finalize(SYSTEM, package_id)
            except RegistryError as error:
                LOG.warning("package %s was not finalized: %s", package_id, error.message)
