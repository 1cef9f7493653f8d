"""Rows of `file_versions` as nouns."""

from __future__ import annotations

from typing import Any

from registry import attributes as attribute_rows
from registry.model import Checksum, ChecksumType, FileVersion, Keeping

NOTHING_KNOWN = Keeping()


def version_name(row: Any) -> str:
    """The name S3 knows a version by."""
    return "null" if row["null_version"] else str(row["id"])


def version_of(
    row: Any, *, latest: bool = True, store: str = "", storage_key: str = "", keeping: Keeping = NOTHING_KNOWN
) -> FileVersion:
    """The noun of a row of `file_versions`."""
    checksum = None
    if row["checksum_algorithm"] is not None:
        checksum = Checksum(row["checksum_algorithm"], row["checksum_value"], ChecksumType(row["checksum_type"]))
    return FileVersion(
        id=row["id"],
        repository_id=row["repository_id"],
        key=row["key"],
        seq=row["seq"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        size=row["size"],
        etag=row["etag"],
        sha256=row["sha256"],
        attributes=attribute_rows.load(row),
        checksum=checksum,
        part_count=row["part_count"],
        delete_marker=bool(row["delete_marker"]),
        null_version=bool(row["null_version"]),
        latest=latest,
        package_id=row["package_id"],
        blob_id=row["blob_id"],
        store=store,
        storage_key=storage_key,
        keeping=keeping,
    )
