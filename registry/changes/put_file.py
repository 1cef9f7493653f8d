"""Making a version the current one of its key: every PUT, copy and completed upload ends here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from registry import attributes as attribute_rows
from registry import audit, events
from registry.blobs import Content
from registry.changes.file import (
    UNCONDITIONAL,
    WriteConditions,
    active_holds,
    check_conditions,
    check_lockable,
    count,
    locks_of,
    refuse,
    settled,
)
from registry.changes.state import BytesNeededError, FileKey, Needs, StaleError, State
from registry.db.database import Lock, Scope
from registry.default_retention import DefaultRetention
from registry.errors import InvalidArgumentError, OverwriteDeniedError, UploadNotFoundError
from registry.ids import uuid7
from registry.lifecycle import move
from registry.model import Actor, FileAttributes, FileVersion, PackageStatus, Protection, Repository, Versioning
from registry.names import is_control, package_name
from registry.protection import frozen_reason, is_closed, is_frozen, reasons
from registry.terms import begins, expiry
from registry.versions import version_of

RETENTION_CLASS = "retention-class"
"""The user metadata by which any PUT chooses the retention class of its package."""

LEGAL_HOLD = "s3-legal-hold"
"""The name of the hold that S3 calls legal hold."""

DEFAULT_RETENTION_CLASS = "raw-evidence"
"""The class where neither the producer nor the repository chooses one."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The version that a put made or found.

    `spare`: equal bytes were there already, those that were just written are in excess.
    """

    version: FileVersion
    spare: bool


@dataclass(frozen=True, slots=True)
class PutFile:
    """Make a version the current one of its key."""

    actor: Actor
    repository: Repository
    key: str
    content: Content
    attributes: FileAttributes
    conditions: WriteConditions = UNCONDITIONAL
    upload_id: str | None = None
    version_id: str = field(default_factory=uuid7)
    action: str = "file.put"

    @property
    def package(self) -> str | None:
        return package_name(self.key, self.repository.package_depth)

    def locks(self) -> Sequence[Lock]:
        locks = [*locks_of(self.repository, self.key), Lock(Scope.BLOB, self.content.identity)]
        if self.upload_id is not None:
            locks.append(Lock(Scope.UPLOAD, self.upload_id))
        return locks

    def needs(self, needs: Needs) -> None:
        needs.repositories.add(self.repository.id)
        needs.files.add((self.repository.id, self.key))
        needs.blobs.add(self.content.identity)
        if self.package is not None:
            needs.packages.add((self.repository.id, self.package))
            needs.retention_classes |= RETENTION_CLASS in self.attributes.metadata
        if self.upload_id is not None:
            needs.uploads.add(self.upload_id)

    def decide(self, state: State) -> Stored:
        settings = settled(state, self.repository)
        check_lockable(settings, self.attributes)
        key = (self.repository.id, self.key)
        current = state.current(key)
        visible = None if current is None or current["delete_marker"] else current
        upload = self._upload(state)
        if upload is not None and upload["completed_version"] is not None:
            return self._completed(state, upload)
        check_conditions(self.conditions, visible, self.key)
        package = state.packages.get((self.repository.id, self.package)) if self.package is not None else None
        described = attribute_rows.dump(self.attributes)
        blob = state.blobs.get(self.content.identity)
        same = visible is not None and blob is not None and self._same(visible, blob, described)
        if visible is not None and same and (settings["versioning"] == Versioning.OFF or is_frozen(visible, package)):
            return self._again(state, visible, package)
        self._check_package(state, package, visible)
        if visible is not None and settings["overwrite"] == "deny":
            raise OverwriteDeniedError(
                f"The repository {self.repository.name} refuses to replace files, and {self.key} exists."
            )
        replaced = self._replaced(state, key, settings["versioning"], package)
        retention = self._retention_class(state, package)
        if blob is None and self.content.storage_key is None:
            raise BytesNeededError

        # All is decided: from here on the state is altered.
        if blob is None:
            blob = self._add_blob(state)
        if replaced is not None:
            state.remove_version(replaced)
        if self.package is not None:
            package = self._package(state, package, retention, visible)
        version = {
            **self._described(described),
            **self._lock(settings, state.now),
            "seq": 1 if current is None else current["seq"] + 1,
            "null_version": settings["versioning"] != Versioning.ENABLED,
            "package_id": package["id"]
            if package and not is_control(self.key, self.repository.package_depth)
            else None,
            "revision": package["revision"] + 1 if package else None,
            "blob_id": blob["id"],
            "created_at": state.now,
        }
        self._add(state, version)
        if upload is not None:
            complete(state, upload, version)
        self._tell(state, version, visible)
        return self._stored(state, version)

    def _add(self, state: State, version: dict[str, Any]) -> None:
        """Add the version and what hangs on it."""
        state.add_version(version)
        if self.attributes.legal_hold:
            state.new_holds.append(legal_hold(self.actor, version, state.now))
        if self.content.parts:
            state.new_parts[self.version_id] = [
                {
                    "version_id": self.version_id,
                    "number": number,
                    "offset": offset,
                    "size": size,
                    "checksum_value": value,
                }
                for number, offset, size, value in self.content.parts
            ]

    def _completed(self, state: State, upload: dict[str, Any]) -> Stored:
        """The same completion again: its answer was lost on the way."""
        versions = state.versions.get((self.repository.id, self.key), ())
        done = next((row for row in versions if row["id"] == upload["completed_version"]), None)
        if done is None:
            raise UploadNotFoundError(self.upload_id or "")
        return self._stored(state, done)

    def _stored(self, state: State, version: dict[str, Any]) -> Stored:
        blob = state.blobs.get(self.content.identity)
        # A completion repeated while the first one ran composes the very bytes that the first one published.
        kept = blob["locations"].get(self.content.store) if blob is not None else self.content.storage_key
        spare = self.content.storage_key is not None and kept != self.content.storage_key
        return Stored(version_of(version, store=self.content.store, storage_key=kept or ""), spare)

    def _upload(self, state: State) -> dict[str, Any] | None:
        if self.upload_id is None:
            return None
        upload = state.uploads.get(self.upload_id)
        if upload is None:
            raise UploadNotFoundError(self.upload_id)
        return upload

    def _same(self, version: dict[str, Any], blob: dict[str, Any], described: str) -> bool:
        return (
            version["blob_id"] == blob["id"]
            and version["etag"] == self.content.etag
            and version["attributes"] == described
            and version["storage_class"] == self.attributes.storage_class
            and version["checksum_algorithm"] == (self.content.checksum.algorithm if self.content.checksum else None)
            and self.attributes.retain_until is None
        )

    def _again(self, state: State, version: dict[str, Any], package: dict[str, Any] | None) -> Stored:
        """The same bytes with the same attributes: nothing to do but to say when that was last asserted."""
        if not is_frozen(version, package):
            version["created_at"] = state.now
            if version["id"] not in state.new_versions:
                state.refreshed_versions[version["id"]] = version
            state.touched.add((self.repository.id, self.key))
        if self.upload_id is not None and (upload := state.uploads.get(self.upload_id)) is not None:
            complete(state, upload, version)
        return self._stored(state, version)

    def _check_package(self, state: State, package: dict[str, Any] | None, visible: dict[str, Any] | None) -> None:
        if package is None or package["status"] != PackageStatus.FINALIZED:
            return
        if is_closed(package):
            self._refuse(state, [frozen_reason(package, state.now)], package)
        if visible is not None and is_frozen(visible, package):
            self._refuse(state, reasons(visible, package, active_holds(state, visible, package), state.now), package)

    def _replaced(
        self, state: State, key: FileKey, versioning: str, package: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """The version whose row has to go, if it may."""
        if versioning == Versioning.ENABLED:
            return None
        replaced = next((row for row in state.versions.get(key, ()) if row["null_version"]), None)
        if replaced is not None and not replaced["delete_marker"]:
            found = reasons(replaced, package, active_holds(state, replaced, package), state.now)
            if found:
                self._refuse(state, found, package)
        return replaced

    def _refuse(self, state: State, found: Sequence[Protection], package: dict[str, Any] | None) -> None:
        refuse(state, self.actor, self.action, found, repository=self.repository, key=self.key, package=package)

    def _retention_class(self, state: State, package: dict[str, Any] | None) -> str | None:
        """The class that this request chooses for its package; None where it leaves it as it is."""
        chosen = self.attributes.metadata.get(RETENTION_CLASS)
        if package is not None and (chosen is None or chosen == package["retention_class"]):
            return None
        if self.package is None:
            return None
        name = chosen or self.repository.default_retention_class or DEFAULT_RETENTION_CLASS
        if state.retention_classes is None:
            raise StaleError  # the package was there when the rows were loaded, for another change of the batch
        if name not in state.retention_classes:
            known = ", ".join(sorted(state.retention_classes)) or "none"
            raise InvalidArgumentError(
                "x-amz-meta-retention-class", name, f"There is no retention class {name!r}; there are {known}."
            )
        return name

    def _add_blob(self, state: State) -> dict[str, Any]:
        blob = {
            "id": uuid7(),
            "identity": self.content.identity,
            "sha256": self.content.sha256,
            "size": self.content.size,
            "created_at": state.now,
            "locations": {self.content.store: self.content.storage_key},
        }
        state.blobs[self.content.identity] = blob
        state.new_blobs.append(blob)
        state.new_locations.append(
            {
                "blob_id": blob["id"],
                "store": self.content.store,
                "storage_key": self.content.storage_key,
                "created_at": state.now,
            }
        )
        return blob

    def _package(
        self, state: State, package: dict[str, Any] | None, retention: str | None, visible: dict[str, Any] | None
    ) -> dict[str, Any]:
        if package is None:
            package = implicit_package(state, self.actor, self.repository, self.package or "")
        if retention is not None:
            duration = (state.retention_classes or {})[retention]["duration"]
            package["retention_class"] = retention
            package["expires_at"] = expiry(begins(package), duration, package["extended_until"])
        if package["status"] != PackageStatus.FINALIZED:
            move(package, PackageStatus.UPLOADING)
        if not is_control(self.key, self.repository.package_depth):
            count(package, visible, -1)
            package["size"] += self.content.size
            package["file_count"] += 1
        package["updated_at"] = state.now
        if package["id"] not in state.new_packages:
            state.change_package(package)
        return package

    def _described(self, described: str) -> dict[str, Any]:
        """What the request alone says of the version's row."""
        checksum = self.content.checksum
        return {
            "repository_id": self.repository.id,
            "key": self.key,
            "id": self.version_id,
            "delete_marker": False,
            "size": self.content.size,
            "sha256": self.content.sha256,
            "etag": self.content.etag,
            "checksum_algorithm": checksum.algorithm if checksum else None,
            "checksum_value": checksum.value if checksum else None,
            "checksum_type": checksum.type.value if checksum else None,
            "part_count": len(self.content.parts) or None,
            "attributes": described,
            "storage_class": self.attributes.storage_class,
            "created_by": self.actor.account_id,
        }

    def _lock(self, settings: Any, now: int) -> dict[str, Any]:
        """The object lock of the version: what the request says, else what the repository gives by default."""
        if self.attributes.lock_mode is None and settings["default_retention"] is not None:
            default = DefaultRetention.of_text(settings["default_retention"])
            return {"lock_mode": default.mode, "retain_until": default.until(now)}
        return {"lock_mode": self.attributes.lock_mode, "retain_until": self.attributes.retain_until}

    def _tell(self, state: State, version: dict[str, Any], replaced: dict[str, Any] | None) -> None:
        detail = {"size": version["size"], "sha256": version["sha256"], "etag": version["etag"]}
        if replaced is not None:
            detail["replaced"] = replaced["sha256"]
        state.audit.append(
            audit.entry(
                state.now,
                self.actor,
                self.action,
                repository=self.repository.name,
                resource=self.key,
                package_id=version["package_id"],
                version_id=version["id"],
                detail=detail,
            )
        )
        state.events.append(
            events.event(
                state.now,
                self.action,
                {"repository": self.repository.name, "key": self.key, "version_id": version["id"], **detail},
                repository_id=self.repository.id,
                package_id=version["package_id"],
            )
        )


def complete(state: State, upload: dict[str, Any], version: dict[str, Any]) -> None:
    """Mark the upload as the one that made the version."""
    upload["completed_version"] = version["id"]
    upload["completed_at"] = state.now
    state.completed_uploads.append(upload)


def implicit_package(state: State, actor: Actor, repository: Repository, name: str) -> dict[str, Any]:
    """A package that comes into being with its first file."""
    package: dict[str, Any] = {
        "id": f"pkg_{uuid7()}",
        "repository_id": repository.id,
        "name": name,
        "status": "uploading",
        "explicit": False,
        "amending": False,
        "created_at": state.now,
        "created_by": actor.name,
        "updated_at": state.now,
        "size": 0,
        "file_count": 0,
        "revision": 0,
        "metadata": "{}",
        "labels": "{}",
        "producer": None,
        "retention_class": DEFAULT_RETENTION_CLASS,
        "finalized_at": None,
        "expires_at": None,
        "extended_until": None,
        "deleted_at": None,
        "manifest_sha256": None,
    }
    state.add_package(package)
    detail = {"name": name, "implicit": True}
    state.audit.append(
        audit.entry(
            state.now,
            actor,
            "package.create",
            repository=repository.name,
            resource=name,
            package_id=package["id"],
            detail=detail,
        )
    )
    payload = {"repository": repository.name, "package": name, "package_id": package["id"]}
    state.events.append(
        events.event(state.now, "package.created", payload, repository_id=repository.id, package_id=package["id"])
    )
    return package


def legal_hold(actor: Actor, version: dict[str, Any], now: int) -> dict[str, Any]:
    """S3's legal hold: the hold of that name."""
    return {
        "id": f"hold_{uuid7()}",
        "name": LEGAL_HOLD,
        "repository_id": version["repository_id"],
        "package_id": None,
        "version_id": version["id"],
        "reason": "legal hold placed through S3",
        "case_ref": None,
        "placed_by": actor.name,
        "placed_at": now,
        "released_by": None,
        "released_at": None,
        "release_reason": None,
    }
