"""File attributes as they are kept in a row: JSON that leaves out what is not said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from registry.model import FileAttributes

_DEFAULT = FileAttributes()


def dump(attributes: FileAttributes) -> str:
    """The text for the column `attributes`. What has a column of its own is not in it."""
    said: dict[str, Any] = {}
    if attributes.content_type != _DEFAULT.content_type:
        said["type"] = attributes.content_type
    if attributes.headers:
        said["headers"] = dict(attributes.headers)
    if attributes.metadata:
        said["metadata"] = dict(attributes.metadata)
    if attributes.tags:
        said["tags"] = dict(attributes.tags)
    if attributes.legal_hold:
        said["legal_hold"] = True
    return json.dumps(said, separators=(",", ":")) if said else "{}"


def load(row: Mapping[str, Any]) -> FileAttributes:
    """The attributes of a row that has the columns `attributes` and `storage_class`."""
    said = json.loads(row["attributes"]) if row["attributes"] != "{}" else {}
    return FileAttributes(
        content_type=said.get("type", _DEFAULT.content_type),
        headers=_mapping(said, "headers"),
        metadata=_mapping(said, "metadata"),
        storage_class=row["storage_class"],
        tags=_mapping(said, "tags"),
        lock_mode=row["lock_mode"],
        retain_until=row["retain_until"],
        legal_hold=said.get("legal_hold", False),
    )


def _mapping(said: Mapping[str, Any], name: str) -> Mapping[str, str]:
    found = said.get(name)
    return MappingProxyType(found) if found else _DEFAULT.tags
