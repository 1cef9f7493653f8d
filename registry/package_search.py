"""Finding packages: by columns, by labels, and by paths of their metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Select, exists, select

from registry.db import schema
from registry.listing import following
from registry.model import Package, PackageQuery, PackageStatus

FIELD_BYTES = 256
"""A longer value is not indexed: it is prose, which nobody searches by equality."""

FIELDS = 2_000
"""Values of one package that can be searched by."""

_RANGES = {
    "created": ("created_at", "after", "before"),
    "finalized": ("finalized_at", "after", "before"),
    "expires": ("expires_at", "after", "before"),
}


def fields(metadata: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(path, value) of every scalar that can be searched by. Members of a list share the path of the list."""
    for name, value in labels.items():
        yield f"labels.{name}", value
    yield from _scalars("metadata", metadata)


def _scalars(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _scalars(f"{path}.{name}", member)
    elif isinstance(value, list):
        for member in value:
            yield from _scalars(path, member)
    else:
        text = scalar_text(value)
        if len(text.encode("utf-8", "surrogatepass")) <= FIELD_BYTES:
            yield path, text


def scalar_text(value: Any) -> str:
    """A JSON scalar as a query names it: `true`, `null`, `42`, or a string as it is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def with_repository() -> Select[Any]:
    """Every column of a package, and the name of its repository."""
    packages, repositories = schema.packages, schema.repositories
    return select(packages, repositories.c.name.label("repository"), repositories.c.owner_id.label("owner_id")).join(
        repositories, repositories.c.id == packages.c.repository_id
    )


def matching(query: PackageQuery) -> Select[Any]:
    """The packages that meet every criterion; implicit ones without a file are none."""
    table = schema.packages
    found = with_repository().where(table.c.explicit | (table.c.file_count > 0))
    equal = {
        schema.repositories.c.name: query.repository,
        table.c.name: query.name,
        table.c.producer: query.producer,
        table.c.retention_class: query.retention_class,
    }
    for column, value in equal.items():
        if value is not None:
            found = found.where(column == value)
    if query.name_prefix:
        found = found.where(table.c.name >= query.name_prefix)
        above = following(query.name_prefix)
        if above is not None:
            found = found.where(table.c.name < above)
    wanted = query.status or [status for status in PackageStatus if status is not PackageStatus.DELETED]
    found = found.where(table.c.status.in_([status.value for status in wanted]))
    for name, (column_name, least, bound) in _RANGES.items():
        column = table.c[column_name]
        after, before = getattr(query, f"{name}_{least}"), getattr(query, f"{name}_{bound}")
        found = found if after is None else found.where(column >= after)
        found = found if before is None else found.where(column < before)
    for column in (table.c.size, table.c.file_count):
        least_value, most = getattr(query, f"min_{column.name}"), getattr(query, f"max_{column.name}")
        found = found if least_value is None else found.where(column >= least_value)
        found = found if most is None else found.where(column <= most)
    indexed = schema.package_fields
    asked = {f"labels.{name}": value for name, value in query.labels.items()}
    asked |= {f"metadata.{path}": value for path, value in query.metadata.items()}
    for path, value in asked.items():
        found = found.where(
            exists().where(indexed.c.package_id == table.c.id, indexed.c.path == path, indexed.c.value == value)
        )
    return found


def package_of(row: Mapping[str, Any]) -> Package:
    """The noun of a row of `with_repository`."""
    return Package(
        id=row["id"],
        repository_id=row["repository_id"],
        repository=row["repository"],
        name=row["name"],
        status=PackageStatus(row["status"]),
        explicit=bool(row["explicit"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
        updated_at=row["updated_at"],
        size=row["size"],
        file_count=row["file_count"],
        revision=row["revision"],
        metadata=row["metadata"],
        labels=row["labels"],
        producer=row["producer"],
        retention_class=row["retention_class"],
        finalized_at=row["finalized_at"],
        expires_at=row["expires_at"],
        deleted_at=row["deleted_at"],
        manifest_sha256=row["manifest_sha256"],
        amending=bool(row["amending"]),
    )
