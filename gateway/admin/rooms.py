"""What this face asks of the registry beside `files`, `uploads` and `accounts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from registry.accounts import Accounts
from registry.files import Files
from registry.model import Actor, FileVersion, Hold, Package, PackageStatus, Protection, Repository, RetentionClass
from registry.uploads import Uploads

T = TypeVar("T")


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
class Answer:
    """What was answered to a request that may be repeated."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Repositories(Protocol):
    async def create(
        self, actor: Actor, name: str, *, object_lock: bool = False, settings: Mapping[str, Any]
    ) -> Repository:
        """With these settings, by the names of `Repository`'s fields, in one transaction."""

    async def get(self, actor: Actor, name: str) -> Repository: ...
    async def list(
        self, actor: Actor, *, prefix: str = "", after: str = "", limit: int = 10_000
    ) -> Sequence[Repository]: ...
    async def update(
        self, actor: Actor, name: str, settings: Mapping[str, Any], *, expected: Repository | None
    ) -> Repository:
        """Change the settings given, by the names of `Repository`'s fields.

        `expected`: only if it still is this, or PreconditionFailedError.
        """

    async def delete(self, actor: Actor, name: str) -> None: ...


class Packages(Protocol):
    async def create(
        self,
        actor: Actor,
        repository: str,
        name: str,
        *,
        metadata: Mapping[str, Any],
        labels: Mapping[str, str],
        producer: str | None,
        retention_class: str | None,
    ) -> Package: ...
    async def get(self, actor: Actor, package_id: str) -> Package: ...
    async def list(self, actor: Actor, query: PackageQuery, *, after: str | None, limit: int) -> Page[Package]: ...
    async def update(
        self,
        actor: Actor,
        package_id: str,
        *,
        metadata: Mapping[str, Any],
        labels: Mapping[str, str | None],
        producer: str | None,
        change_producer: bool,
        expected: Package | None,
    ) -> Package:
        """Merge metadata and labels (RFC 7396). `expected`: only if it still is this, or PreconditionFailedError."""

    async def finalize(self, actor: Actor, package_id: str, *, sums: Mapping[str, str] | None) -> Package: ...
    async def amend(self, actor: Actor, package_id: str) -> Package: ...
    async def delete(self, actor: Actor, package_id: str, *, reason: str) -> Package: ...
    async def restore(self, actor: Actor, package_id: str) -> Package: ...
    async def revisions(self, actor: Actor, package_id: str) -> Sequence[PackageRevision]: ...
    async def manifest(self, actor: Actor, package_id: str, *, revision: int | None) -> bytes: ...
    async def files(self, actor: Actor, package_id: str, *, after: str | None, limit: int) -> Page[FileVersion]: ...
    async def deletion_plan(
        self, actor: Actor, repository: str | None, *, after: str | None, limit: int
    ) -> Page[Package]: ...


class Retention(Protocol):
    async def classes(self, actor: Actor) -> Sequence[RetentionClass]: ...
    async def set_class_default(self, actor: Actor, name: str, seconds: int | None) -> RetentionClass: ...
    async def extend(
        self, actor: Actor, package_id: str, *, until: int | None, seconds: int | None, reason: str
    ) -> Package: ...
    async def change_class(self, actor: Actor, package_id: str, name: str, *, reason: str) -> Package: ...
    async def eligibility(self, actor: Actor, package_id: str) -> Eligibility: ...
    async def eligibility_report(
        self, actor: Actor, repository: str | None, *, after: str | None, limit: int
    ) -> Page[Eligibility]: ...


class Holds(Protocol):
    async def place(
        self,
        actor: Actor,
        *,
        package_id: str | None,
        version_id: str | None,
        name: str,
        reason: str,
        case_ref: str | None,
    ) -> Hold: ...
    async def release(self, actor: Actor, hold_id: str, *, reason: str) -> Hold: ...
    async def list(self, actor: Actor, query: HoldQuery, *, after: str | None, limit: int) -> Page[Hold]: ...


class Audit(Protocol):
    async def query(self, actor: Actor, query: AuditQuery, *, after: str | None, limit: int) -> Page[AuditEntry]: ...


class Events(Protocol):
    async def list(
        self,
        actor: Actor,
        *,
        type: str | None,  # noqa: A002 - what an event is of
        repository: str | None,
        package_id: str | None,
        after: str | None,
        limit: int,
    ) -> Page[Event]: ...


class Webhooks(Protocol):
    async def create(
        self, actor: Actor, url: str, *, events: Sequence[str], repository: str | None, payload: str
    ) -> tuple[Webhook, str]:
        """The webhook and its secret (`whsec_…`), which is never told again."""

    async def get(self, actor: Actor, webhook_id: str) -> Webhook: ...
    async def list(self, actor: Actor, *, after: str | None, limit: int) -> Page[Webhook]: ...
    async def delete(self, actor: Actor, webhook_id: str) -> None: ...
    async def test(self, actor: Actor, webhook_id: str) -> Delivery: ...
    async def deliveries(
        self, actor: Actor, webhook_id: str, *, status: str | None, after: str | None, limit: int
    ) -> Page[Delivery]: ...
    async def retry(self, actor: Actor, webhook_id: str, delivery_id: str) -> Delivery: ...


class Storage(Protocol):
    async def health(self) -> Mapping[str, str | None]:
        """By component: None where it works, otherwise what fails."""

    async def usage(self, actor: Actor) -> StorageUsage: ...


class Idempotency(Protocol):
    async def begin(self, actor: Actor, key: str, fingerprint: str) -> Answer | None:
        """Claim a key for a request, or learn what was answered to it.

        Raises InvalidRequestError (same key, other request) and ConflictError (still being answered).
        """

    async def finish(self, actor: Actor, key: str, answer: Answer | None) -> None:
        """Keep the answer; None frees the key, for a request that failed and may be tried again."""


class AdminRegistry(Protocol):
    """The registry as this face sees it."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def files(self) -> Files: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def repositories(self) -> Repositories: ...
    @property
    def packages(self) -> Packages: ...
    @property
    def retention(self) -> Retention: ...
    @property
    def holds(self) -> Holds: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def events(self) -> Events: ...
    @property
    def webhooks(self) -> Webhooks: ...
    @property
    def storage(self) -> Storage: ...
    @property
    def idempotency(self) -> Idempotency: ...
