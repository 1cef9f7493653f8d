"""Request headers -> what the registry keeps of a file, and back, exactly as they came.

Headers arrive as a mapping by lower-case name.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from types import MappingProxyType

from gateway.http.conditions import unquoted
from gateway.s3 import tag_set, xml
from gateway.s3.errors import S3Error, invalid_argument, not_implemented
from gateway.s3.times import http_date, iso_date, moment
from registry.changes.file import UNCONDITIONAL, WriteConditions
from registry.default_retention import MODES
from registry.digests import CHECKSUM_SIZES
from registry.model import EMPTY, Checksum, ChecksumType, FileAttributes, FileVersion

METADATA = "x-amz-meta-"
METADATA_LIMIT = 2048
"""Bytes of all names and values of user metadata together."""

KEPT: Mapping[str, str] = MappingProxyType(
    {
        "cache-control": "Cache-Control",
        "content-disposition": "Content-Disposition",
        "content-encoding": "Content-Encoding",
        "content-language": "Content-Language",
        "expires": "Expires",
        "x-amz-website-redirect-location": "x-amz-website-redirect-location",
    }
)
"""System headers that are kept and given back as they came, and how they are spelt then."""

STORAGE_CLASSES = frozenset(
    {
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "OUTPOSTS",
        "GLACIER_IR",
        "SNOW",
        "EXPRESS_ONEZONE",
        "FSX_OPENZFS",
        "FSX_ONTAP",
    }
)
CANNED_ACLS = frozenset(
    {
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
        "log-delivery-write",
    }
)
OWNER_ACLS = frozenset({"private", "bucket-owner-full-control"})
"""Canned ACLs that say what holds anyway: only the owner has access."""

REFUSED = (
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption-customer-",
    "x-amz-write-offset-bytes",
)
"""Beginnings of headers that ask for what is not done, so that none is answered as if it were."""

FOR_EVER = 253_402_300_799_000_000
"""The last second of the year 9999, the latest that S3's clients can read."""

RESPONSE_OVERRIDES: Mapping[str, str] = MappingProxyType(
    {
        "response-cache-control": "Cache-Control",
        "response-content-disposition": "Content-Disposition",
        "response-content-encoding": "Content-Encoding",
        "response-content-language": "Content-Language",
        "response-content-type": "Content-Type",
        "response-expires": "Expires",
    }
)
"""Query parameters of GET and HEAD that replace a header of the answer."""


def refuse_unsupported(headers: Mapping[str, str]) -> None:
    """Raise for a header that asks for what is not done here. Only `x-amz-*` headers are looked at."""
    for name in headers:
        if name.startswith("x-amz-"):
            if name.startswith(REFUSED):
                raise not_implemented(name)
            if name.startswith("x-amz-grant-"):
                raise S3Error("AccessControlListNotSupported")
    if (acl := headers.get("x-amz-acl")) is not None and acl not in OWNER_ACLS:
        if acl in CANNED_ACLS:
            raise S3Error("AccessControlListNotSupported")
        raise invalid_argument("x-amz-acl", acl, "The canned ACL is not one that S3 knows.")


def attributes(headers: Mapping[str, str]) -> FileAttributes:
    """What a producer says of a file beside its bytes. Raises S3Error for what cannot be kept."""
    kept: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for name, value in headers.items():
        if name in KEPT:
            kept[name] = text(value)
        elif name.startswith(METADATA):
            metadata[name[len(METADATA) :]] = text(value)
    if metadata and (size := sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())) > (
        METADATA_LIMIT
    ):
        raise S3Error("MetadataTooLarge", fields={"Size": str(size), "MaxSizeAllowed": str(METADATA_LIMIT)})
    if "content-encoding" in kept:
        _strip_framing(kept, headers)
    redirect = kept.get("x-amz-website-redirect-location")
    if redirect is not None and not redirect.startswith(("/", "http://", "https://")):
        raise S3Error(
            "InvalidRequest",
            "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
        )
    storage_class = headers.get("x-amz-storage-class", "STANDARD")
    if storage_class not in STORAGE_CLASSES:
        raise S3Error("InvalidStorageClass", fields={"StorageClassRequested": storage_class})
    mode, until = _lock(headers)
    return FileAttributes(
        content_type=text(headers.get("content-type", "")) or "binary/octet-stream",
        headers=kept or EMPTY,
        metadata=metadata or EMPTY,
        storage_class=storage_class,
        lock_mode=mode,
        retain_until=until,
        legal_hold=legal_hold(headers.get("x-amz-object-lock-legal-hold", "OFF")),
        tags=tag_set.of_header(headers["x-amz-tagging"]) if "x-amz-tagging" in headers else EMPTY,
    )


def described(version: FileVersion) -> list[tuple[str, str]]:
    """The headers that GET and HEAD give of a file, without those about the bytes sent."""
    kept = version.attributes
    answer = [
        ("Last-Modified", http_date(version.created_at)),
        ("ETag", f'"{version.etag}"'),
        ("Accept-Ranges", "bytes"),
        ("Content-Type", kept.content_type),
    ]
    if kept.headers:
        answer += [(KEPT[name], value) for name, value in kept.headers.items()]
    if kept.metadata:
        answer += [(METADATA + name, encoded(value)) for name, value in kept.metadata.items()]
    if kept.storage_class != "STANDARD":
        answer.append(("x-amz-storage-class", kept.storage_class))
    if kept.tags:
        answer.append(("x-amz-tagging-count", str(len(kept.tags))))
    return answer + keeping(version) + version_id(version)


def legal_hold(status: str) -> bool:
    """Is the status of a legal hold ON?"""
    if status not in {"ON", "OFF"}:
        raise invalid_argument("x-amz-object-lock-legal-hold", status, "Legal Hold must be either of 'ON' or 'OFF'.")
    return status == "ON"


def _lock(headers: Mapping[str, str]) -> tuple[str | None, int | None]:
    """The object lock that a write asks for: both of its headers or neither."""
    mode, date = headers.get("x-amz-object-lock-mode"), headers.get("x-amz-object-lock-retain-until-date")
    if mode is None and date is None:
        return None, None
    if mode is None or date is None:
        raise invalid_argument(
            "x-amz-object-lock-mode",
            mode or "",
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        )
    if mode not in MODES:
        raise invalid_argument("x-amz-object-lock-mode", mode, "Unknown wormMode directive.")
    until = moment(date)
    if until is None:
        raise invalid_argument(
            "x-amz-object-lock-retain-until-date", date, "The retain until date must be provided in ISO 8601 format"
        )
    if until <= time.time_ns() // 1000:
        raise invalid_argument(
            "x-amz-object-lock-retain-until-date", date, "The retain until date must be in the future!"
        )
    return mode, until


def lock(version: FileVersion) -> tuple[str, int] | None:
    """Mode and end of what S3 calls the lock of a version.

    A file of a finalized package is what S3 calls locked in COMPLIANCE mode: nobody can shorten it.
    """
    kept = version.keeping
    until, mode = version.attributes.retain_until, version.attributes.lock_mode
    if kept.frozen:
        return "COMPLIANCE", FOR_EVER if kept.expires_at is None else max(kept.expires_at, until or 0)
    return None if mode is None or until is None else (mode, until)


def keeping(version: FileVersion) -> list[tuple[str, str]]:
    """How long the file is kept, in S3's words."""
    kept, answer = version.keeping, []
    if (locked := lock(version)) is not None:
        mode, until = locked
        answer += [("x-amz-object-lock-mode", mode), ("x-amz-object-lock-retain-until-date", iso_date(until))]
    if kept.held:
        answer.append(("x-amz-object-lock-legal-hold", "ON"))
    if kept.expires_at is not None:
        rule = f'expiry-date="{http_date(kept.expires_at)}", rule-id="{kept.retention_class}"'
        answer.append(("x-amz-expiration", rule))
    return answer


def version_id(version: FileVersion) -> list[tuple[str, str]]:
    """The header that names a version, where the bucket has versions: some clients cannot ask for `null`."""
    return [] if version.null_version else [("x-amz-version-id", version.id)]


def checksum(value: Checksum | None) -> list[tuple[str, str]]:
    """The headers that show a checksum."""
    if value is None:
        return []
    return [(f"x-amz-checksum-{value.algorithm.lower()}", value.value), ("x-amz-checksum-type", value.type)]


def checksum_elements(value: Checksum | None) -> str:
    """The elements that show a checksum in a document."""
    if value is None:
        return ""
    return xml.leaf(f"Checksum{value.algorithm}", value.value) + xml.leaf("ChecksumType", value.type)


def checksum_algorithm(headers: Mapping[str, str], name: str) -> str | None:
    """The algorithm that a header asks for, in capitals. Raises S3Error for one there is not."""
    wanted = headers.get(name)
    if wanted is None:
        return None
    if wanted.upper() not in CHECKSUM_SIZES:
        raise S3Error(
            "InvalidRequest",
            f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            f"[{', '.join(CHECKSUM_SIZES)}]",
        )
    return wanted.upper()


def checksum_type(headers: Mapping[str, str]) -> ChecksumType | None:
    """COMPOSITE or FULL_OBJECT, where a header says so."""
    wanted = headers.get("x-amz-checksum-type")
    if wanted is None:
        return None
    if wanted.upper() not in ChecksumType.__members__:
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    return ChecksumType(wanted.upper())


def write_conditions(headers: Mapping[str, str]) -> WriteConditions:
    """On what a write depends. S3 knows If-Match with one entity tag and If-None-Match with `*`."""
    if_match, if_none_match = headers.get("if-match"), headers.get("if-none-match")
    if if_match is None and if_none_match is None:
        return UNCONDITIONAL
    if if_none_match is not None and (if_match is not None or if_none_match.strip() != "*"):
        raise not_implemented("If-None-Match with another value than *, or together with If-Match, on a write")
    return WriteConditions(if_match=None if if_match is None else unquoted(if_match), if_none_match=if_none_match)


def text(value: str) -> str:
    """A header's value as text: its bytes as UTF-8, or, where they are none, as Latin-1 (RFC 9110 §5.5)."""
    if value.isascii():
        return value
    raw = value.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def encoded(value: str) -> str:
    """User metadata fit for a header: as it is where it is printable ASCII, else an RFC 2047 word, as S3 does."""
    if value.isascii() and value.isprintable():
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="


def _strip_framing(kept: dict[str, str], headers: Mapping[str, str]) -> None:
    # aws-chunked describes the transfer only where the payload is framed; elsewhere S3 keeps it literally.
    if not headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        return
    codings = [coding.strip() for coding in kept["content-encoding"].split(",")]
    rest = [coding for coding in codings if coding != "aws-chunked"]
    if len(rest) == len(codings):
        return
    if rest:
        kept["content-encoding"] = ",".join(rest)
    else:
        del kept["content-encoding"]
