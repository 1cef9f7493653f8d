"""What a repository can be set to, and when: the one place where settings are checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from registry.db import schema
from registry.errors import InvalidArgumentError, InvalidRequestError
from registry.model import Overwrite, Repository, Versioning

DEEPEST = 16
"""Leading segments of a key that may name its package."""

LONGEST_QUIET = 366 * 86_400
"""Seconds of quiet before a package finalizes by itself."""

_Choice = TypeVar("_Choice", Overwrite, Versioning)


async def checked_settings(
    connection: AsyncConnection, settings: Mapping[str, Any], *, object_lock: bool, before: Repository | None = None
) -> dict[str, Any]:
    """The settings as columns, or a refusal that names the one that cannot be.

    `before` is the repository as it is, None for a new one. The transaction must keep everybody else out of it.
    """
    columns: dict[str, Any] = {}
    for name, value in settings.items():
        match name:
            case "package_depth":
                columns[name] = _whole(name, value, 0, DEEPEST)
            case "overwrite":
                columns[name] = _one_of(Overwrite, name, value).value
            case "versioning":
                columns[name] = _versioning(_one_of(Versioning, name, value), before, object_lock=object_lock).value
            case "default_retention_class":
                columns[name] = None if value is None else await _class(connection, value)
            case "auto_finalize_after":
                columns[name] = None if value is None else _whole(name, value, 1, LONGEST_QUIET)
            case "expire_automatically":
                columns[name] = _truth(name, value)
            case _:
                raise InvalidArgumentError(name, value, f"A repository has no setting {name!r} that can be chosen.")
    if before is not None and columns.get("package_depth", before.package_depth) != before.package_depth:
        await _check_empty(connection, before)
    return columns


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidArgumentError(name, value, f"{name} is a whole number from {low} to {high}.")
    return value


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidArgumentError(name, value, f"{name} is true or false.")
    return value


def _one_of(choices: type[_Choice], name: str, value: Any) -> _Choice:
    try:
        return choices(value)
    except ValueError:
        raise InvalidArgumentError(name, value, f"{name} is one of {', '.join(choices)}.") from None


def _versioning(wanted: Versioning, before: Repository | None, *, object_lock: bool) -> Versioning:
    """S3: once versioning was enabled it can be suspended, never taken back; Object Lock needs it enabled."""
    if object_lock and wanted is not Versioning.ENABLED:
        raise InvalidRequestError("versioning stays enabled: this repository has Object Lock, which rests on it.")
    if wanted is Versioning.OFF and before is not None and before.versioning is not Versioning.OFF:
        raise InvalidRequestError("versioning was enabled once: it can be suspended, but not be turned off.")
    return wanted


async def _class(connection: AsyncConnection, name: Any) -> str:
    known = (await connection.execute(select(schema.retention_classes.c.name))).scalars().all()
    if not isinstance(name, str) or name not in known:
        message = f"There is no retention class {name!r}; there are {', '.join(sorted(known))}."
        raise InvalidArgumentError("default_retention_class", name, message)
    return name


async def _check_empty(connection: AsyncConnection, repository: Repository) -> None:
    versions, packages, uploads = schema.file_versions, schema.packages, schema.uploads
    there = select(
        exists().where(versions.c.repository_id == repository.id),
        exists().where(packages.c.repository_id == repository.id),
        exists().where(uploads.c.repository_id == repository.id, uploads.c.completed_at.is_(None)),
    )
    if any((await connection.execute(there)).one()):
        raise InvalidRequestError(
            f"package_depth stays {repository.package_depth}: {repository.name} holds files, packages or uploads, "
            "and they would come to lie in other packages. Choose it while the repository is empty."
        )
