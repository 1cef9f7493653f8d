"""Where the files of a deleted package wait: out of sight, and whole."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, delete, func, insert, literal, select

from registry.db import schema
from registry.listing import following
from registry.opened_package import Opened


async def bury(package: Opened) -> None:
    """Take the files of a package out of every reader's way: neither seen nor counted, until restored or swept."""
    versions, graves = schema.file_versions, schema.deleted_file_versions
    below = _below(versions, package)
    names = [column.name for column in versions.columns]
    buried = select(*(versions.c[name] for name in names), literal(package.row["id"], Text)).where(below)
    await package.connection.execute(insert(graves).from_select([*names, "deleted_with"], buried))
    await package.connection.execute(delete(schema.files).where(_below(schema.files, package)))
    await package.connection.execute(delete(versions).where(below))


async def unbury(package: Opened) -> None:
    """Put the files of a deleted package back where they were."""
    versions, graves, heads = schema.file_versions, schema.deleted_file_versions, schema.files
    names = [column.name for column in versions.columns]
    mine = graves.c.deleted_with == package.row["id"]
    back = select(*(graves.c[name] for name in names)).where(mine)
    await package.connection.execute(insert(versions).from_select(names, back))
    await package.connection.execute(delete(graves).where(mine))
    other = versions.alias("other")
    newest = (
        select(func.max(other.c.seq))
        .where(other.c.repository_id == versions.c.repository_id, other.c.key == versions.c.key)
        .scalar_subquery()
    )
    shown = ["created_at" if column.name == "modified_at" else column.name for column in heads.columns]
    current = select(*(versions.c[name] for name in shown)).where(
        _below(versions, package), versions.c.seq == newest, ~versions.c.delete_marker
    )
    await package.connection.execute(insert(heads).from_select([column.name for column in heads.columns], current))


def _below(table: Any, package: Opened) -> Any:
    """The rows of every key below the package, the registry's own included."""
    prefix = f"{package.row['name']}/"
    return (
        (table.c.repository_id == package.repository.id)
        & (table.c.key > prefix)
        & (table.c.key < (following(prefix) or ""))
    )
