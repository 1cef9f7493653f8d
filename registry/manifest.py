"""The manifest of a package revision: what it held, byte for byte, on the day it was finalized.

A manifest is one JSON document in canonical form (RFC 8785), so that equal content has equal bytes, and the
SHA-256 of these bytes is the digest of the package. Its fields:

    schema              "artifact-store.manifest.v1"
    package             id, repository, name, revision, previous (digest of the revision before, or null)
    metadata, labels, producer
    retention           class, expires_at (null: never), as they were when it was finalized
    finalized_at, finalized_by
    file_count, size    of all files together
    files               in byte order of their paths: path, size, sha256, media_type, version_id

Times are RFC 3339 in UTC; digests are lower-case hex; sizes are bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import rfc8785

from registry.timestamps import format_timestamp, parse_timestamp

SCHEMA = "artifact-store.manifest.v1"

_FILES_PER_CHUNK = 1000
_SHA256 = re.compile(r"[0-9a-f]{64}")
T = TypeVar("T")


class MalformedManifestError(ValueError):
    """The document is not a manifest; the message names the field."""


class ManifestFile(NamedTuple):
    """One file of a package; `path` is relative to the package."""

    path: str
    size: int
    sha256: str
    media_type: str
    version_id: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a manifest tells. Times are microseconds since 1970 in UTC."""

    package_id: str
    repository: str
    name: str
    revision: int
    previous: str | None
    metadata: Mapping[str, Any]
    labels: Mapping[str, str]
    producer: str | None
    retention_class: str
    expires_at: int | None
    finalized_at: int
    finalized_by: str
    files: Sequence[ManifestFile]
    """In any order; the document has them in byte order of their paths."""


def encode(manifest: Manifest) -> Iterator[bytes]:
    """The canonical document in pieces of at most a thousand files, for packages with very many.

    Raises ValueError where a value has no canonical form: a number beyond 2^53 or not finite, a lone surrogate.
    """
    yield b"{"
    for position, (field, value) in enumerate(sorted(_fields(manifest).items())):
        yield (b"," if position else b"") + rfc8785.dumps(field) + b":"
        if field == "files":
            yield from _encode_files(manifest.files)
        else:
            yield rfc8785.dumps(value)
    yield b"}"


def encode_whole(manifest: Manifest) -> tuple[bytes, str]:
    """The canonical document and its digest."""
    document = b"".join(encode(manifest))
    return document, hashlib.sha256(document).hexdigest()


def decode(document: bytes) -> Manifest:
    """Read a manifest; fields that a later version may add are passed over."""
    try:
        content = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise MalformedManifestError(f"The manifest is not JSON: {error}.") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise MalformedManifestError(f"This is no manifest of a package: its field schema is not {SCHEMA!r}.")
    package, retention = _field(content, "package", dict), _field(content, "retention", dict)
    files = tuple(_decode_file(file, index) for index, file in enumerate(_field(content, "files", list)))
    if len({file.path for file in files}) != len(files):
        raise MalformedManifestError("The manifest lists a path twice.")
    expires_at = _optional(retention, "expires_at", "retention.")
    return Manifest(
        package_id=_field(package, "id", str, "package."),
        repository=_field(package, "repository", str, "package."),
        name=_field(package, "name", str, "package."),
        revision=_field(package, "revision", int, "package."),
        previous=_optional(package, "previous", "package."),
        metadata=_field(content, "metadata", dict),
        labels=_field(content, "labels", dict),
        producer=_optional(content, "producer"),
        retention_class=_field(retention, "class", str, "retention."),
        expires_at=None if expires_at is None else _timestamp(expires_at, "retention.expires_at"),
        finalized_at=_timestamp(_field(content, "finalized_at", str), "finalized_at"),
        finalized_by=_field(content, "finalized_by", str),
        files=files,
    )


def _fields(manifest: Manifest) -> dict[str, Any]:
    """The document's fields but for the files themselves. All names are ASCII, so any sorting sorts them alike."""
    return {
        "schema": SCHEMA,
        "package": {
            "id": manifest.package_id,
            "repository": manifest.repository,
            "name": manifest.name,
            "revision": manifest.revision,
            "previous": manifest.previous,
        },
        "metadata": dict(manifest.metadata),
        "labels": dict(manifest.labels),
        "producer": manifest.producer,
        "retention": {
            "class": manifest.retention_class,
            "expires_at": None if manifest.expires_at is None else format_timestamp(manifest.expires_at),
        },
        "finalized_at": format_timestamp(manifest.finalized_at),
        "finalized_by": manifest.finalized_by,
        "file_count": len(manifest.files),
        "size": sum(file.size for file in manifest.files),
        "files": None,
    }


def _encode_files(files: Sequence[ManifestFile]) -> Iterator[bytes]:
    # Code points and UTF-8 bytes sort alike, so no key function is needed; paths are unique.
    in_order = sorted(files)
    yield b"["
    for start in range(0, len(in_order), _FILES_PER_CHUNK):
        chunk = rfc8785.dumps([file._asdict() for file in in_order[start : start + _FILES_PER_CHUNK]])
        yield (b"," if start else b"") + chunk[1:-1]
    yield b"]"


def _decode_file(entry: Any, index: int) -> ManifestFile:
    where = f"files[{index}]."
    if not isinstance(entry, dict):
        raise MalformedManifestError(f"The field files[{index}] of the manifest is not an object.")
    file = ManifestFile(
        _field(entry, "path", str, where),
        _field(entry, "size", int, where),
        _field(entry, "sha256", str, where),
        _field(entry, "media_type", str, where),
        _field(entry, "version_id", str, where),
    )
    if not _SHA256.fullmatch(file.sha256):
        raise MalformedManifestError(f"The field {where}sha256 of the manifest is not a SHA-256.")
    return file


def _field(content: dict[str, Any], name: str, kind: type[T], where: str = "") -> T:
    value = content.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise MalformedManifestError(f"The field {where}{name} of the manifest is missing or is no {_NAMES[kind]}.")
    return value


def _optional(content: dict[str, Any], name: str, where: str = "") -> str | None:
    return None if name in content and content[name] is None else _field(content, name, str, where)


def _timestamp(text: str, field: str) -> int:
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise MalformedManifestError(f"The field {field} of the manifest: {error}") from None


_NAMES = {str: "string", int: "integer", dict: "object", list: "array"}
