"""The registry's nouns as the contract's JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gateway.admin.problems import protection
from registry.durations import format_duration
from registry.model import (
    Actor,
    AuditEntry,
    Delivery,
    Eligibility,
    Event,
    FileVersion,
    Hold,
    Package,
    PackageRevision,
    Repository,
    RetentionClass,
    StorageUsage,
    Upload,
    Webhook,
)
from registry.timestamps import format_timestamp

Document = dict[str, Any]


def moment(at: int | None) -> str | None:
    """A time, or null."""
    return None if at is None else format_timestamp(at)


def term(seconds: int | None) -> str | None:
    """A duration, or null: for ever."""
    return None if seconds is None else format_duration(seconds)


def caller(actor: Actor) -> Document:
    return {
        "id": actor.account_id,
        "name": actor.name,
        "administrator": actor.administrator,
        "access_key": actor.access_key,
    }


def repository(found: Repository) -> Document:
    return {
        "name": found.name,
        "owner": found.owner_name,
        "created_at": moment(found.created_at),
        "package_depth": found.package_depth,
        "overwrite": found.overwrite.value,
        "versioning": found.versioning.value,
        "object_lock": found.object_lock,
        "default_retention_class": found.default_retention_class,
        "auto_finalize_after": term(found.auto_finalize_after),
        "expire_automatically": found.expire_automatically,
    }


def upload(found: Upload) -> Document:
    return {
        "id": found.id,
        "key": found.key,
        "initiated_at": moment(found.initiated_at),
        "initiated_by": found.initiator_name,
    }


def package(found: Package) -> Document:
    return {
        "id": found.id,
        "repository": found.repository,
        "name": found.name,
        "status": found.status.value,
        "amending": found.amending,
        "revision": found.revision,
        "size": found.size,
        "file_count": found.file_count,
        "metadata": found.metadata,
        "labels": found.labels,
        "producer": found.producer,
        "retention_class": found.retention_class,
        "manifest_sha256": found.manifest_sha256,
        "created_at": moment(found.created_at),
        "created_by": found.created_by,
        "updated_at": moment(found.updated_at),
        "finalized_at": moment(found.finalized_at),
        "expires_at": moment(found.expires_at),
        "deleted_at": moment(found.deleted_at),
    }


def revision(found: PackageRevision) -> Document:
    return {**asdict(found), "finalized_at": moment(found.finalized_at)}


def file(found: FileVersion, package_name: str, created_by: str) -> Document:
    return {
        "path": found.key.removeprefix(f"{package_name}/"),
        "size": found.size,
        "sha256": found.sha256,
        "media_type": found.attributes.content_type,
        "version_id": found.id,
        "etag": found.etag,
        "created_at": moment(found.created_at),
        "created_by": created_by,
    }


def retention_class(found: RetentionClass) -> Document:
    return {
        "name": found.name,
        "term": term(found.duration),
        "description": found.description,
    }


def hold(found: Hold) -> Document:
    return {
        "id": found.id,
        "name": found.name,
        "package_id": found.package_id,
        "version_id": found.version_id,
        "reason": found.reason,
        "case_ref": found.case_ref,
        "placed_by": found.placed_by,
        "placed_at": moment(found.placed_at),
        "released_by": found.released_by,
        "released_at": moment(found.released_at),
        "release_reason": found.release_reason,
    }


def eligibility(found: Eligibility) -> Document:
    return {
        "package_id": found.package.id,
        "repository": found.package.repository,
        "name": found.package.name,
        "eligible": found.eligible,
        "reasons": [protection(reason) for reason in found.reasons],
        "eligible_at": moment(found.eligible_at),
    }


def planned_deletion(found: Package) -> Document:
    return {
        "package_id": found.id,
        "repository": found.repository,
        "name": found.name,
        "expires_at": moment(found.expires_at),
        "file_count": found.file_count,
        "size": found.size,
    }


def audit_entry(found: AuditEntry) -> Document:
    return {**asdict(found), "at": moment(found.at)}


def event(found: Event) -> Document:
    return {**asdict(found), "at": moment(found.at)}


def webhook(found: Webhook) -> Document:
    return {**asdict(found), "created_at": moment(found.created_at)}


def delivery(found: Delivery) -> Document:
    return {
        **asdict(found),
        "next_attempt_at": moment(found.next_attempt_at),
        "delivered_at": moment(found.delivered_at),
    }


def storage_usage(found: StorageUsage) -> Document:
    return asdict(found)
