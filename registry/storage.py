"""Where rows and bytes are kept: does it work, and how full is it?"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from sqlalchemy import func, select

from backends.store import StoreError
from registry import policy
from registry.blobs import Blobs, translated
from registry.db import schema
from registry.db.database import Database
from registry.errors import RegistryError
from registry.model import Actor, RepositoryUsage, StorageUsage


class Storage:
    """The database and the store."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def probe_database(self) -> None:
        """Raise StorageUnavailableError with the reason unless the database answers and can be written."""
        await self._database.probe()

    async def probe_store(self) -> None:
        """Raise StorageUnavailableError with the reason unless the store can be written and read."""
        try:
            await self._blobs.default.probe()
        except StoreError as error:
            raise translated(error) from error

    async def health(self) -> Mapping[str, str | None]:
        """By component: None where it works, otherwise what fails. Really writes and reads."""
        return {
            "database": await _failure(self.probe_database()),
            "store": await _failure(self.probe_store()),
        }

    async def usage(self, actor: Actor) -> StorageUsage:
        """Room taken and left. For administrators; reads every row there is of versions and blobs.

        A repository's size is that of all versions of its files, whether or not equal bytes are kept once.
        """
        policy.require(actor, "storage.read")
        try:
            room = await self._blobs.default.usage()
        except StoreError as error:
            raise translated(error) from error
        blobs, files, versions, repositories = (
            schema.blobs,
            schema.files,
            schema.file_versions,
            schema.repositories,
        )
        sizes = _by_repository(versions, func.sum(versions.c.size))
        counts = _by_repository(files, func.count())
        each = (
            select(repositories.c.name, func.coalesce(counts.c.value, 0), func.coalesce(sizes.c.value, 0))
            .outerjoin(counts, counts.c.repository_id == repositories.c.id)
            .outerjoin(sizes, sizes.c.repository_id == repositories.c.id)
            .order_by(repositories.c.name)
        )
        async with self._database.read() as connection:
            number, size = (
                await connection.execute(
                    select(func.count(), func.coalesce(func.sum(blobs.c.size), 0)).select_from(blobs)
                )
            ).one()
            rows = (await connection.execute(each)).all()
        usages = [RepositoryUsage(name, count, int(total)) for name, count, total in rows]
        return StorageUsage(room.used, room.free, number, int(size), usages)


def _by_repository(table: Any, value: Any) -> Any:
    return select(table.c.repository_id, value.label("value")).group_by(table.c.repository_id).subquery()


async def _failure(probe: Awaitable[None]) -> str | None:
    try:
        await probe
    except RegistryError as error:
        return error.message
    return None
