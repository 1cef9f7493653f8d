"""The registry's nouns, frozen. Times are integers: microseconds since 1970 in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

EMPTY: Mapping[str, str] = MappingProxyType({})


def _empty() -> Mapping[str, str]:
    return EMPTY


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and through what: goes into every audit entry."""

    account_id: str
    name: str
    administrator: bool = False
    access_key: str | None = None
    source_address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    name: str
    administrator: bool
    created_at: int
    disabled_at: int | None = None


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An S3 key pair without its secret; the secret is shown once, at creation."""

    access_key: str
    account_id: str
    account_name: str
    created_at: int
    description: str = ""
    expires_at: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """What signature verification needs to know of an access key; never leaves the process, never printed."""

    access_key: str
    secret: str = field(repr=False)
    account_id: str
    account_name: str
    administrator: bool


class Versioning(StrEnum):
    OFF = "off"
    ENABLED = "enabled"
    SUSPENDED = "suspended"


class Overwrite(StrEnum):
    """May a file that is not frozen be replaced under its own name?"""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Repository:
    id: int
    name: str
    owner_id: str
    owner_name: str
    created_at: int
    package_depth: int = 1
    overwrite: Overwrite = Overwrite.ALLOW
    versioning: Versioning = Versioning.OFF
    object_lock: bool = False
    default_retention_class: str | None = None
    auto_finalize_after: int | None = None
    """Seconds of quiet after which a package finalizes by itself; None: never."""
    expire_automatically: bool = False
    """Whether packages whose time has come are deleted without anybody asking."""


class ChecksumType(StrEnum):
    COMPOSITE = "COMPOSITE"
    FULL_OBJECT = "FULL_OBJECT"


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum in S3's terms: `value` is base64; a composite one ends in `-N`."""

    algorithm: str
    value: str
    type: ChecksumType = ChecksumType.FULL_OBJECT


@dataclass(frozen=True, slots=True)
class FileAttributes:
    """What a producer says of a file beside its bytes; given back as it came.

    `headers` holds cache-control, content-disposition, content-encoding, content-language, expires and
    x-amz-website-redirect-location, by lower-case name. `metadata` is the user metadata by lower-case
    name without its prefix.
    """

    content_type: str = "binary/octet-stream"
    headers: Mapping[str, str] = field(default_factory=_empty)
    metadata: Mapping[str, str] = field(default_factory=_empty)
    storage_class: str = "STANDARD"
    tags: Mapping[str, str] = field(default_factory=_empty)
    lock_mode: str | None = None
    retain_until: int | None = None
    legal_hold: bool = False


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long a file version is kept, and by what, as of when it was read."""

    retention_class: str | None = None
    expires_at: int | None = None
    """When its package's term ends; None: there is no term, or it never ends."""
    frozen: bool = False
    """Part of a finalized package: until the term ends nobody can remove it."""
    held: bool = False


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of one file. Its bytes never change."""

    id: str
    repository_id: int
    key: str
    seq: int
    created_at: int
    created_by: str
    size: int = 0
    etag: str = ""
    """Without quotes."""
    sha256: str = ""
    attributes: FileAttributes = FileAttributes()
    checksum: Checksum | None = None
    part_count: int | None = None
    delete_marker: bool = False
    null_version: bool = True
    latest: bool = True
    package_id: str | None = None
    blob_id: str | None = None
    store: str = ""
    storage_key: str = ""
    keeping: Keeping = Keeping()

    @property
    def version_id(self) -> str:
        """The name S3 knows this version by."""
        return "null" if self.null_version else self.id


@dataclass(frozen=True, slots=True)
class FilePart:
    """One part of a file that was uploaded in parts."""

    number: int
    offset: int
    size: int
    checksum: str | None = None


class ListedFile(NamedTuple):
    """A line of a listing. A tuple: a page has a thousand, and a dataclass takes three times as long to make."""

    key: str
    size: int
    etag: str
    modified_at: int
    storage_class: str
    checksum_algorithm: str | None
    checksum_type: str | None
    owner_id: str
    owner_name: str


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a listing, in byte order of keys. `next` is where the next page begins (exclusive):
    the last key or common prefix of this one; None on the last page."""

    files: Sequence[ListedFile]
    prefixes: Sequence[str]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload in progress."""

    id: str
    repository_id: int
    key: str
    initiated_at: int
    initiated_by: str
    initiator_name: str
    attributes: FileAttributes
    checksum_algorithm: str | None = None
    checksum_type: ChecksumType | None = None
    store: str = ""
    store_upload: str = ""


@dataclass(frozen=True, slots=True)
class UploadPart:
    number: int
    size: int
    etag: str
    modified_at: int
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class UploadPage:
    uploads: Sequence[Upload]
    prefixes: Sequence[str]
    next_key: str | None = None
    next_upload_id: str | None = None


@dataclass(frozen=True, slots=True)
class PartPage:
    upload: Upload
    parts: Sequence[UploadPart]
    next_number: int | None = None


class PackageStatus(StrEnum):
    CREATED = "created"
    UPLOADING = "uploading"
    FINALIZED = "finalized"
    DELETED = "deleted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Package:
    """The files under one prefix of a repository."""

    id: str
    repository_id: int
    repository: str
    name: str
    status: PackageStatus
    explicit: bool
    created_at: int
    created_by: str
    updated_at: int
    size: int = 0
    file_count: int = 0
    revision: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    producer: str | None = None
    retention_class: str | None = None
    finalized_at: int | None = None
    expires_at: int | None = None
    deleted_at: int | None = None
    manifest_sha256: str | None = None
    amending: bool = False
    """Finalized, and open to more files until it is finalized again."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A named reason why something must stay, on a package or on one file version."""

    id: str
    name: str
    repository_id: int
    package_id: str | None
    version_id: str | None
    reason: str
    case_ref: str | None
    placed_by: str
    placed_at: int
    released_by: str | None = None
    released_at: int | None = None
    release_reason: str | None = None


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """How long something is kept. `duration` in seconds; None: for ever. `rank` orders the classes for people."""

    name: str
    duration: int | None
    description: str = ""
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Protection:
    """One reason why something may not be removed or changed.

    `kind` is one of finalized, retention, object_lock, hold. `until` is in microseconds, None: for ever.
    """

    kind: str
    message: str
    until: int | None = None
    hold: str | None = None
    case_ref: str | None = None
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list. `next` is where the next one begins; None on the last."""

    items: Sequence[T]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class PackageQuery:
    """Which packages: every criterion given must hold. Ranges include `after` and `min`, exclude `before`."""

    repository: str | None = None
    name: str | None = None
    name_prefix: str | None = None
    status: Sequence[PackageStatus] = ()
    producer: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    retention_class: str | None = None
    created_after: int | None = None
    created_before: int | None = None
    finalized_after: int | None = None
    finalized_before: int | None = None
    expires_after: int | None = None
    expires_before: int | None = None
    min_size: int | None = None
    max_size: int | None = None
    min_file_count: int | None = None
    max_file_count: int | None = None


@dataclass(frozen=True, slots=True)
class PackageRevision:
    revision: int
    manifest_sha256: str
    previous_sha256: str | None
    size: int
    file_count: int
    finalized_at: int
    finalized_by: str


@dataclass(frozen=True, slots=True)
class Eligibility:
    """May a package be deleted, and if not, every reason why; `eligible_at` is when, where that can be told."""

    package: Package
    eligible: bool
    reasons: Sequence[Protection]
    eligible_at: int | None


@dataclass(frozen=True, slots=True)
class HoldQuery:
    repository: str | None = None
    package_id: str | None = None
    version_id: str | None = None
    name: str | None = None
    case_ref: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class AuditQuery:
    actor: str | None = None
    access_key: str | None = None
    source_address: str | None = None
    request_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    repository: str | None = None
    resource: str | None = None
    package_id: str | None = None
    version_id: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: int
    at: int
    actor: str | None
    access_key: str | None
    source_address: str | None
    request_id: str | None
    action: str
    outcome: str
    repository: str | None
    resource: str | None
    package_id: str | None
    version_id: str | None
    detail: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    at: int
    type: str
    repository: str | None
    package_id: str | None
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Webhook:
    id: str
    url: str
    events: Sequence[str]
    repository: str | None
    payload: str
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True)
class Delivery:
    id: str
    webhook_id: str
    event_id: int | None
    event_type: str
    status: str
    attempts: int
    next_attempt_at: int | None
    response_status: int | None
    error: str | None
    delivered_at: int | None


@dataclass(frozen=True, slots=True)
class RepositoryUsage:
    name: str
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class StorageUsage:
    store_used: int | None
    store_free: int | None
    blobs: int
    blob_bytes: int
    repositories: Sequence[RepositoryUsage]


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to a request that may be repeated."""

    status: int
    headers: Mapping[str, str]
    body: bytes
