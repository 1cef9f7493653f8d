"""Multipart uploads: beginning one, a part of it, giving it up. Completing one is putting a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from registry import attributes as attribute_rows
from registry import audit
from registry.changes.file import check_lockable, settled
from registry.changes.state import Needs, State
from registry.db.database import Lock, Scope
from registry.errors import UploadNotFoundError
from registry.ids import uuid7
from registry.model import Actor, ChecksumType, FileAttributes, Repository


@dataclass(frozen=True, slots=True)
class BeginUpload:
    """Begin a multipart upload."""

    actor: Actor
    repository: Repository
    key: str
    attributes: FileAttributes
    checksum_algorithm: str | None
    checksum_type: ChecksumType | None
    store: str
    store_upload: str
    upload_id: str = field(default_factory=uuid7)

    def locks(self) -> Sequence[Lock]:
        return [Lock(Scope.REPOSITORY, str(self.repository.id), shared=True)]

    def needs(self, needs: Needs) -> None:
        needs.repositories.add(self.repository.id)

    def decide(self, state: State) -> dict[str, Any]:
        check_lockable(settled(state, self.repository), self.attributes)
        row = {
            "id": self.upload_id,
            "repository_id": self.repository.id,
            "key": self.key,
            "initiated_at": state.now,
            "initiated_by": self.actor.account_id,
            "attributes": attribute_rows.dump(self.attributes),
            "storage_class": self.attributes.storage_class,
            "lock_mode": self.attributes.lock_mode,
            "retain_until": self.attributes.retain_until,
            "checksum_algorithm": self.checksum_algorithm,
            "checksum_type": self.checksum_type.value if self.checksum_type else None,
            "store": self.store,
            "store_upload": self.store_upload,
            "completed_version": None,
            "completed_at": None,
        }
        state.uploads[self.upload_id] = row
        state.new_uploads.append(row)
        return row


@dataclass(frozen=True, slots=True)
class PutPart:
    """Record a part whose bytes are durable; it takes the place of an earlier one of the same number."""

    actor: Actor
    repository: Repository
    upload_id: str
    number: int
    storage_key: str
    size: int
    md5: str
    checksum_algorithm: str | None
    checksum_value: str | None

    def locks(self) -> Sequence[Lock]:
        return [Lock(Scope.UPLOAD, self.upload_id)]

    def needs(self, needs: Needs) -> None:
        needs.uploads.add(self.upload_id)

    def decide(self, state: State) -> dict[str, Any]:
        open_upload(state, self.upload_id)
        row = {
            "upload_id": self.upload_id,
            "number": self.number,
            "storage_key": self.storage_key,
            "size": self.size,
            "md5": self.md5,
            "checksum_algorithm": self.checksum_algorithm,
            "checksum_value": self.checksum_value,
            "modified_at": state.now,
        }
        state.upload_parts[self.upload_id, self.number] = row
        return row


@dataclass(frozen=True, slots=True)
class AbortUpload:
    """Give up an upload; its parts go with it."""

    actor: Actor
    repository: Repository
    upload_id: str

    def locks(self) -> Sequence[Lock]:
        return [Lock(Scope.UPLOAD, self.upload_id)]

    def needs(self, needs: Needs) -> None:
        needs.uploads.add(self.upload_id)

    def decide(self, state: State) -> dict[str, Any]:
        upload = open_upload(state, self.upload_id)
        del state.uploads[self.upload_id]
        for key in [key for key in state.upload_parts if key[0] == self.upload_id]:
            del state.upload_parts[key]
        state.gone_uploads.append(upload)
        entry = audit.entry(
            state.now,
            self.actor,
            "upload.abort",
            repository=self.repository.name,
            resource=upload["key"],
            detail={"upload_id": self.upload_id, "initiated_at": upload["initiated_at"]},
        )
        state.audit.append(entry)
        return upload


def open_upload(state: State, upload_id: str) -> dict[str, Any]:
    """The upload, if it is still in progress."""
    upload = state.uploads.get(upload_id)
    if upload is None or upload["completed_version"] is not None:
        raise UploadNotFoundError(upload_id)
    return upload
