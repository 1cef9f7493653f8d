"""Listings: pages of keys by index seeks, whatever the number of keys.

Keys hold no character below U+0020, so `key + U+0001` is the least string above `key`, and the string
that follows every key below a prefix is the prefix with its last character replaced by the next one.
That leaves one lower and one upper bound, which is what both databases seek by.

With a delimiter, each step of a recursive query seeks the first key at or above a bound, and computes
the next bound from it: just above the key, or above everything that shares its common prefix. A page
costs as many seeks as it has lines, however many keys each common prefix stands for.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Integer, Text, bindparam, case, func, literal_column, select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from registry.db import schema
from registry.db.database import Database
from registry.db.statements import Maker
from registry.db.types import first_unheld, is_held
from registry.model import ListedFile, ListPage, Repository
from registry.names import KEY_BYTES

ABOVE = "\x01"
HIGHEST = "\U0010ffff" * (KEY_BYTES // 4 + 1)
"""Above every key."""
_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def following(prefix: str) -> str | None:
    """The least string above every string that begins with `prefix`; None where there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        prefix = prefix[:-1]
        if code <= _LAST:
            return prefix + chr(_SURROGATES.stop if code in _SURROGATES else code)
    return None


def common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    """What a key is rolled up into: everything up to the first delimiter behind the prefix."""
    end = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: end + len(delimiter)] if end >= 0 else None


def bounds(prefix: str, delimiter: str, after: str) -> tuple[str, str | None]:
    """The least key that may be listed, and the least above all that may (None: no bound)."""
    unheld = first_unheld(after)
    if unheld is not None:
        # No key is like that; where it would stand, the search begins.
        least = ABOVE if after[unheld] == "\x00" else chr(_SURROGATES.stop)
        return max(prefix, after[:unheld] + least), following(prefix)
    low = after and after + ABOVE
    if delimiter and after.startswith(prefix) and common_prefix(after, prefix, delimiter) == after:
        low = following(after) or low
    return max(prefix, low), following(prefix)


async def list_files(
    database: Database, repository: Repository, *, prefix: str, delimiter: str, after: str, limit: int
) -> ListPage:
    """A page of at most `limit` lines (files and common prefixes together) after `after`."""
    delimiter = delimiter if is_held(delimiter) else ""
    low, high = bounds(prefix, delimiter, after)
    if limit <= 0 or not is_held(prefix) or (high is not None and low >= high):
        return ListPage((), ())
    parameters: dict[str, Any] = {"repository_id": repository.id, "low": low, "high": high, "lines": limit + 1}
    if delimiter:
        parameters |= {"skip": len(prefix), "delimiter": delimiter, "rest": len(delimiter) - 1}
        parameters["follower"] = following(delimiter[-1]) or HIGHEST
    maker = _page(delimited=bool(delimiter), bounded=high is not None)
    rows = await database.rows(maker, parameters)
    files, prefixes = [], []
    last = None
    for row in rows[:limit]:
        key = row["key"]
        rolled = common_prefix(key, prefix, delimiter)
        last = rolled or key
        if rolled is not None:
            prefixes.append(rolled)
        else:
            files.append(ListedFile._make((*row, repository.owner_id, repository.owner_name)))
    return ListPage(files, prefixes, last if len(rows) > limit else None)


@cache
def _page(*, delimited: bool, bounded: bool) -> Maker:
    table = schema.files
    # In the order of a ListedFile, and nothing besides.
    line = [table.c[name] for name in ListedFile._fields if name in table.c]

    def flat(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
        found = select(*line).where(
            table.c.repository_id == bindparam("repository_id"), table.c.key >= bindparam("low")
        )
        if bounded:
            found = found.where(table.c.key < bindparam("high"))
        return found.order_by(table.c.key).limit(bindparam("lines"))

    def rolled(dialect: Dialect) -> ClauseElement:
        position = func.instr if dialect.name == "sqlite" else func.strpos
        inner = table.alias("inner_files")

        def first_from(bound: Any) -> Any:
            found = select(inner.c.key).where(inner.c.repository_id == bindparam("repository_id"), inner.c.key >= bound)
            if bounded:
                found = found.where(inner.c.key < bindparam("high"))
            return found.order_by(inner.c.key).limit(1)

        def same(key: Any) -> Any:
            return (table.c.repository_id == bindparam("repository_id")) & (table.c.key == key)

        start = select(*line).where(same(first_from(bindparam("low")).scalar_subquery()))
        walk = start.cte("walk", recursive=True)
        skip, delimiter = bindparam("skip", type_=Integer), bindparam("delimiter", type_=Text)
        at = position(func.substr(walk.c.key, skip + 1), delimiter, type_=Integer)
        group = func.substr(walk.c.key, 1, skip + at - 1 + bindparam("rest", type_=Integer), type_=Text)
        follower = bindparam("follower", type_=Text)
        bound = case((at > 0, group.concat(follower)), else_=walk.c.key.concat(literal_column(f"'{ABOVE}'", Text)))
        following_row = select(*line).select_from(
            walk.join(table, same(first_from(bound).correlate(walk).scalar_subquery()))
        )
        walk = walk.union_all(following_row)
        return select(walk).limit(bindparam("lines"))

    return rolled if delimited else flat
