"""The versions of files: pages of all there are, delete markers included, by key and then the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from registry.db import schema
from registry.db.database import Database
from registry.db.types import is_held
from registry.listing import bounds, common_prefix, following
from registry.model import Actor, FileVersion, Repository
from registry.repositories import Repositories
from registry.versions import version_of


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of versions. The `next_` markers are its last line, exclusive; None on the last page.

    `next_version_id` is None where the last line is a common prefix. It is the version's own id also where S3
    names it `null`, so that a null version that is replaced meanwhile does not lose the place.
    """

    versions: Sequence[FileVersion]
    prefixes: Sequence[str]
    next_key: str | None = None
    next_version_id: str | None = None


class FileHistory:
    """Lists the versions of a repository's files."""

    def __init__(self, database: Database, repositories: Repositories) -> None:
        self._database = database
        self._repositories = repositories

    async def list(
        self,
        actor: Actor,
        repository: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        version_id_marker: str | None = None,
        limit: int = 1000,
    ) -> HistoryPage:
        """A page of at most `limit` lines, versions and common prefixes together.

        It begins behind `key_marker` (a key with all its versions, or a common prefix), or, with a
        `version_id_marker`, behind that version of the key.
        """
        found = await self._repositories.permitted(actor, "file.list", repository)
        if limit <= 0 or not is_held(prefix):
            return HistoryPage((), ())
        delimiter = delimiter if is_held(delimiter) else ""
        low, high = bounds(prefix, delimiter, key_marker)
        async with self._database.read() as connection:
            below = None
            if version_id_marker is not None and key_marker >= prefix and is_held(key_marker):
                below = await _place(connection, found, key_marker, version_id_marker)
                low = max(prefix, key_marker)
            return await _page(connection, found, _Span(prefix, delimiter, high), low, below=below, limit=limit)


@dataclass(frozen=True, slots=True)
class _Span:
    """What is listed: keys with the prefix, below `high`, rolled up at the delimiter."""

    prefix: str
    delimiter: str
    high: str | None


async def _page(
    connection: AsyncConnection, repository: Repository, span: _Span, low: str, *, below: int | None, limit: int
) -> HistoryPage:
    versions: list[FileVersion] = []
    prefixes: list[str] = []
    last: tuple[str, str | None] = ("", None)
    # The key whose newest version lies behind us.
    seen = low if below is not None and await _has_newer(connection, repository, low, below) else None
    while True:
        rows = await _rows(connection, repository, span, low, below=below, lines=limit + 1)
        for row in rows:
            rolled = common_prefix(row["key"], span.prefix, span.delimiter)
            if rolled is not None and rolled in prefixes[-1:]:
                continue
            if len(versions) + len(prefixes) == limit:
                return HistoryPage(versions, prefixes, *last)
            if rolled is not None:
                prefixes.append(rolled)
                last = (rolled, None)
            else:
                versions.append(version_of(row, latest=row["key"] != seen))
                last = (row["key"], row["id"])
            seen = row["key"]
        if len(rows) <= limit:
            return HistoryPage(versions, prefixes)
        low, below = rows[-1]["key"], rows[-1]["seq"]
        rolled = common_prefix(low, span.prefix, span.delimiter)
        if rolled is not None:
            # Nothing else of this common prefix has to be looked at.
            after = following(rolled)
            if after is None or (span.high is not None and after >= span.high):
                return HistoryPage(versions, prefixes)
            low, below = after, None


async def _rows(
    connection: AsyncConnection, repository: Repository, span: _Span, low: str, *, below: int | None, lines: int
) -> Sequence[Any]:
    table = schema.file_versions
    query = select(table).where(table.c.repository_id == repository.id, table.c.key >= low)
    if below is not None:
        query = query.where(or_(table.c.key > low, table.c.seq < below))
    if span.high is not None:
        query = query.where(table.c.key < span.high)
    ordered = query.order_by(table.c.key, table.c.seq.desc()).limit(lines)
    found: Sequence[Any] = (await connection.execute(ordered)).mappings().all()
    return found


async def _has_newer(connection: AsyncConnection, repository: Repository, key: str, seq: int) -> bool:
    table = schema.file_versions
    newer = exists().where(table.c.repository_id == repository.id, table.c.key == key, table.c.seq >= seq)
    return bool((await connection.execute(select(newer))).scalar())


async def _place(connection: AsyncConnection, repository: Repository, key: str, version_id: str) -> int:
    """The `seq` below which the page begins. A version that is gone was older than those with a greater id."""
    table = schema.file_versions
    same = (table.c.repository_id == repository.id) & (table.c.key == key)
    named = table.c.null_version if version_id == "null" else table.c.id == version_id
    if is_held(version_id):
        there: int | None = (await connection.execute(select(table.c.seq).where(same, named))).scalar()
        if there is not None:
            return there
    older = select(func.max(table.c.seq)).where(same)
    if version_id != "null" and is_held(version_id):
        older = older.where(table.c.id < version_id)
    newest: int | None = (await connection.execute(older)).scalar()
    return 0 if newest is None else newest + 1
