"""What putting and deleting a file have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from registry import audit
from registry.changes.state import StaleError, State
from registry.clock import SECOND
from registry.db.database import Lock, Scope
from registry.errors import FileNotFoundInRegistryError, InvalidRequestError, PreconditionFailedError, ProtectedError
from registry.model import Actor, FileAttributes, Protection, Repository
from registry.names import package_name


@dataclass(frozen=True, slots=True)
class WriteConditions:
    """ETags (without quotes) or `*`, as in the headers of those names."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_at: int | None = None
    """Of a deletion: the whole second in which the version was written."""
    if_size: int | None = None
    """Of a deletion: bytes."""


UNCONDITIONAL = WriteConditions()


def locks_of(repository: Repository, key: str) -> list[Lock]:
    """What a change of a file needs: the repository not to go, and its package (or the file itself) alone."""
    name = package_name(key, repository.package_depth)
    own = Lock(Scope.FILE, f"{repository.id}/{key}") if name is None else Lock(Scope.PACKAGE, f"{repository.id}/{name}")
    return [Lock(Scope.REPOSITORY, str(repository.id), shared=True), own]


def settled(state: State, repository: Repository) -> Any:
    """The repository's row, which the transaction holds still. Raises StaleError when it is not what was known."""
    row = state.repositories.get(repository.id)
    if row is None or row["package_depth"] != repository.package_depth:
        raise StaleError
    return row


def check_lockable(settings: Any, attributes: FileAttributes) -> None:
    """Raise InvalidRequestError where an object lock is asked for and the repository has none."""
    if (attributes.lock_mode is not None or attributes.legal_hold) and not settings["object_lock"]:
        raise InvalidRequestError("Bucket is missing Object Lock Configuration")


def check_conditions(conditions: WriteConditions, visible: dict[str, Any] | None, key: str) -> None:
    """Raise unless the conditions of a write hold (RFC 9110 §13, as S3 reads it)."""
    if conditions.if_match is not None:
        if visible is None:
            raise FileNotFoundInRegistryError(key)
        if conditions.if_match not in {"*", visible["etag"]}:
            raise PreconditionFailedError("If-Match")
    if visible is not None and conditions.if_none_match in {"*", visible["etag"]}:
        raise PreconditionFailedError("If-None-Match")


def check_deletion(conditions: WriteConditions, version: dict[str, Any]) -> None:
    """Raise unless the conditions of a deletion hold for the version that it is about."""
    if conditions.if_match not in {None, "*", version["etag"]}:
        raise PreconditionFailedError("If-Match")
    if conditions.if_modified_at not in {None, version["created_at"] // SECOND}:
        raise PreconditionFailedError("x-amz-if-match-last-modified-time")
    if conditions.if_size not in {None, version["size"]}:
        raise PreconditionFailedError("x-amz-if-match-size")


def count(package: dict[str, Any], version: dict[str, Any] | None, sign: int) -> None:
    """Take a version into a package's totals, or out of them."""
    if version is not None:
        package["size"] += sign * version["size"]
        package["file_count"] += sign


def active_holds(state: State, version: dict[str, Any], package: dict[str, Any] | None) -> list[dict[str, Any]]:
    return state.holds.get(version["id"], []) + (state.holds.get(package["id"], []) if package is not None else [])


def refuse(
    state: State,
    actor: Actor,
    action: str,
    found: Sequence[Protection],
    *,
    repository: Repository,
    key: str,
    package: dict[str, Any] | None,
    version: dict[str, Any] | None = None,
) -> None:
    """Record that something protected was to be changed, and refuse with every reason."""
    state.audit.append(
        audit.entry(
            state.now,
            actor,
            action,
            outcome=audit.DENIED,
            repository=repository.name,
            resource=key,
            package_id=package["id"] if package else None,
            version_id=version["id"] if version else None,
            detail={"reasons": [reason.message for reason in found]},
        )
    )
    raise ProtectedError(found)
