"""Removing a file, or one version of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from registry import audit, events
from registry.changes.file import (
    UNCONDITIONAL,
    WriteConditions,
    active_holds,
    check_deletion,
    count,
    locks_of,
    refuse,
    settled,
)
from registry.changes.state import Needs, State
from registry.db.database import Lock
from registry.ids import uuid7
from registry.model import Actor, Protection, Repository, Versioning
from registry.names import is_control, package_name
from registry.protection import frozen_reason, is_closed, is_frozen, reasons
from registry.versions import version_name


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion did. `delete_marker`: one was made, or the version deleted was one."""

    key: str
    version_id: str | None = None
    delete_marker: bool = False
    marker_version_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Remove the current version of a key (or make a delete marker), or one version by its id."""

    actor: Actor
    repository: Repository
    key: str
    version: str | None = None
    conditions: WriteConditions = UNCONDITIONAL
    bypass_governance: bool = False
    marker_id: str = field(default_factory=uuid7)

    def locks(self) -> Sequence[Lock]:
        return locks_of(self.repository, self.key)

    def needs(self, needs: Needs) -> None:
        needs.repositories.add(self.repository.id)
        needs.files.add((self.repository.id, self.key))
        if self.version is not None:
            needs.histories.add((self.repository.id, self.key))
        name = package_name(self.key, self.repository.package_depth)
        if name is not None:
            needs.packages.add((self.repository.id, name))

    def decide(self, state: State) -> Deleted:
        settings = settled(state, self.repository)
        key = (self.repository.id, self.key)
        versions = state.versions.get(key, [])
        current = versions[0] if versions else None
        visible = None if current is None or current["delete_marker"] else current
        if self.conditions != UNCONDITIONAL:
            subject = visible if self.version is None else self._removed(versions, settings["versioning"])
            if subject is None:
                return Deleted(self.key, self.version)
            check_deletion(self.conditions, subject)
        name = package_name(self.key, self.repository.package_depth)
        package = state.packages.get((self.repository.id, name)) if name is not None else None
        marks = self.version is None and settings["versioning"] != Versioning.OFF
        removed = self._removed(versions, settings["versioning"])
        self._check(state, package, removed, visible, marks=marks)

        # All is decided: from here on the state is altered.
        if removed is not None:
            state.remove_version(removed)
        marker = self._marker(settings["versioning"], current, package, state.now) if marks else None
        if marker is not None:
            state.add_version(marker)
        if removed is not None or marker is not None:
            self._count(state, package, visible)
            self._tell(state, removed, marker)
        if self.version is not None:
            marked = removed is not None and bool(removed["delete_marker"])
            return Deleted(self.key, self.version, marked, self.version if marked else None)
        if marker is not None:
            return Deleted(self.key, None, True, version_name(marker))  # noqa: FBT003
        return Deleted(self.key)

    def _removed(self, versions: Sequence[dict[str, Any]], versioning: str) -> dict[str, Any] | None:
        if self.version is not None:
            return next((row for row in versions if version_name(row) == self.version), None)
        if versioning == Versioning.ENABLED:
            return None
        return next((row for row in versions if row["null_version"]), None)

    def _check(
        self,
        state: State,
        package: dict[str, Any] | None,
        removed: dict[str, Any] | None,
        visible: dict[str, Any] | None,
        *,
        marks: bool,
    ) -> None:
        found: list[Protection] = []
        if removed is not None and not removed["delete_marker"]:
            holds = active_holds(state, removed, package)
            found += reasons(removed, package, holds, state.now, bypass_governance=self.bypass_governance)
        elif package is not None and self._reveals(state, removed) and is_closed(package):
            # An earlier version would be the file again, which the manifest does not know.
            found.append(frozen_reason(package, state.now))
        elif marks and visible is not None and package is not None and is_frozen(visible, package):
            found.append(frozen_reason(package, state.now))
        if found:
            refuse(
                state,
                self.actor,
                "file.delete",
                found,
                repository=self.repository,
                key=self.key,
                package=package,
                version=removed,
            )

    def _reveals(self, state: State, removed: dict[str, Any] | None) -> bool:
        """Would removing this delete marker make an earlier version the current one?"""
        versions = state.versions.get((self.repository.id, self.key), [])
        if self.version is None or len(versions) < 2:
            return False
        return removed is versions[0] and not versions[1]["delete_marker"]

    def _marker(
        self, versioning: str, current: dict[str, Any] | None, package: dict[str, Any] | None, now: int
    ) -> dict[str, Any]:
        return {
            "repository_id": self.repository.id,
            "key": self.key,
            "seq": 1 if current is None else current["seq"] + 1,
            "id": self.marker_id,
            "null_version": versioning == Versioning.SUSPENDED,
            "delete_marker": True,
            "package_id": package["id"] if package else None,
            "revision": None,
            "blob_id": None,
            "size": 0,
            "sha256": "",
            "etag": "",
            "checksum_algorithm": None,
            "checksum_value": None,
            "checksum_type": None,
            "part_count": None,
            "attributes": "{}",
            "storage_class": "STANDARD",
            "created_at": now,
            "created_by": self.actor.account_id,
            "lock_mode": None,
            "retain_until": None,
        }

    def _count(self, state: State, package: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        if package is None:
            return
        versions = state.versions[self.repository.id, self.key]
        after = versions[0] if versions and not versions[0]["delete_marker"] else None
        if not is_control(self.key, self.repository.package_depth):
            count(package, before, -1)
            count(package, after, +1)
        package["updated_at"] = state.now
        implicit = not package["explicit"] and package["status"] in {"created", "uploading", "failed"}
        versioning = state.repositories[self.repository.id]["versioning"]
        if implicit and package["file_count"] == 0 and not versions and versioning == Versioning.OFF:
            # An implicit package without files is no package.
            state.remove_package(package)
        else:
            state.change_package(package)

    def _tell(self, state: State, removed: dict[str, Any] | None, marker: dict[str, Any] | None) -> None:
        version = removed or marker or {}
        detail = {"sha256": version["sha256"], "size": version["size"]} if removed is not None else {"marker": True}
        state.audit.append(
            audit.entry(
                state.now,
                self.actor,
                "file.delete",
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
                "file.deleted",
                {"repository": self.repository.name, "key": self.key, "version_id": version["id"], **detail},
                repository_id=self.repository.id,
                package_id=version["package_id"],
            )
        )
