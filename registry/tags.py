"""Tags: what people say of a file version after it was stored. They never change its bytes, and freeze with nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import insert, update

from registry import attributes as attribute_rows
from registry import audit, events
from registry.changes.file import locks_of
from registry.clock import Clock
from registry.db import schema
from registry.db.database import Database
from registry.model import EMPTY, Actor, FileVersion
from registry.names import check_key
from registry.repositories import Repositories
from registry.version_row import version_row
from registry.versions import version_of


class Tags:
    """Sets the tags of file versions. They are read with the version."""

    def __init__(self, database: Database, repositories: Repositories, clock: Clock) -> None:
        self._database = database
        self._repositories = repositories
        self._clock = clock

    async def put(
        self, actor: Actor, repository: str, key: str, version_id: str | None, tags: Mapping[str, str]
    ) -> FileVersion:
        """Give a version these tags instead of those it has; the version as it then is."""
        found = await self._repositories.permitted(actor, "file.tag", repository)
        check_key(key)
        table = schema.file_versions
        async with self._database.transaction(*locks_of(found, key)) as connection:
            row = dict(await version_row(connection, found, key, version_id))
            said = replace(attribute_rows.load(row), tags=dict(sorted(tags.items())) or EMPTY)
            row["attributes"] = attribute_rows.dump(said)
            await connection.execute(update(table).where(table.c.id == row["id"]).values(attributes=row["attributes"]))
            now = self._clock()
            detail = {"tags": dict(said.tags)}
            entry = audit.entry(
                now,
                actor,
                "file.tag",
                repository=repository,
                resource=key,
                package_id=row["package_id"],
                version_id=row["id"],
                detail=detail,
            )
            payload = {"repository": repository, "key": key, "version_id": row["id"], **detail}
            happened = events.event(now, "file.tagged", payload, repository_id=found.id, package_id=row["package_id"])
            await connection.execute(insert(schema.audit_entries).values(entry))
            await connection.execute(insert(schema.events).values(happened))
        return version_of(row)
