"""The row of one version inside a transaction that changes what hangs on it: its tags, its lock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from registry.db import schema
from registry.db.types import is_held
from registry.errors import DeleteMarkerError, FileNotFoundInRegistryError, VersionNotFoundError
from registry.model import Repository
from registry.versions import version_name


async def version_row(connection: AsyncConnection, repository: Repository, key: str, version_id: str | None) -> Any:
    """The current version of a file, or the one named. Raises as `Files.get` does where there is none."""
    table = schema.file_versions
    query = select(table).where(table.c.repository_id == repository.id, table.c.key == key)
    if version_id is None:
        query = query.order_by(table.c.seq.desc()).limit(1)
    elif version_id == "null":
        query = query.where(table.c.null_version)
    elif is_held(version_id):
        query = query.where(table.c.id == version_id, ~table.c.null_version)
    else:
        raise VersionNotFoundError(key, version_id)
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        raise FileNotFoundInRegistryError(key) if version_id is None else VersionNotFoundError(key, version_id)
    if row["delete_marker"]:
        raise DeleteMarkerError(key, version_name(row), row["created_at"], by_id=version_id is not None)
    return row
