"""Multipart uploads that nobody goes on with, and completed ones that nobody asks about any more."""

from __future__ import annotations

import logging

from sqlalchemy import delete, exists, select

from registry.accounts import SYSTEM
from registry.clock import SECOND
from registry.db import schema
from registry.db.database import Database
from registry.errors import UploadNotFoundError
from registry.jobs.job import Job
from registry.uploads import Uploads

LOG = logging.getLogger(__name__)

REMEMBERED = 86_400
"""Seconds that a completed upload is remembered, for a client that repeats the completion."""

SWEPT = 1000
"""Uploads looked at together."""


class StaleUploads(Job):
    """Aborts uploads to which no part has come for `age` seconds: their rows first, then their bytes."""

    name = "stale uploads"
    interval = 600.0

    def __init__(self, database: Database, uploads: Uploads, *, age: int) -> None:
        self._database = database
        self._uploads = uploads
        self._age = age

    async def run_once(self, now: int) -> None:
        table, parts, repositories = schema.uploads, schema.upload_parts, schema.repositories
        old = now - self._age * SECOND
        alive = exists().where(parts.c.upload_id == table.c.id, parts.c.modified_at > old)
        stale = (
            select(table.c.id, table.c.key, repositories.c.name)
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(table.c.completed_at.is_(None), table.c.initiated_at <= old, ~alive)
            .order_by(table.c.id)
            .limit(SWEPT)
        )
        async with self._database.read() as connection:
            found = (await connection.execute(stale)).all()
        for upload_id, key, repository in found:
            try:
                await self._uploads.abort(SYSTEM, repository, key, upload_id)
            except UploadNotFoundError:
                continue  # its client was quicker
            LOG.info("aborted the upload %s of %s/%s: nothing came for too long", upload_id, repository, key)
        async with self._database.transaction() as connection:
            await connection.execute(delete(table).where(table.c.completed_at <= now - REMEMBERED * SECOND))
