"""What a batch of changes needs to see, and what it decides: see `registry.changes`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from registry.db.database import Lock
from registry.db.statements import Row
from registry.errors import ConflictError

FileKey: TypeAlias = tuple[int, str]
"""A repository's id and a key in it."""


class StaleError(ConflictError):
    """What the request went by has changed meanwhile; it is worth deciding again on fresh rows."""


class BytesNeededError(ConflictError):
    """The bytes that were seen to be there are there no more: store them and decide again."""


class Needs:
    """The rows that a batch has to see."""

    def __init__(self) -> None:
        self.repositories: set[int] = set()
        self.files: set[FileKey] = set()
        self.histories: set[FileKey] = set()
        """Files of which every version is needed, not the current one alone."""
        self.packages: set[tuple[int, str]] = set()
        self.blobs: set[str] = set()
        self.uploads: set[str] = set()
        self.retention_classes = False


class Change(Protocol):
    """One request's change. See the module."""

    def locks(self) -> Sequence[Lock]:
        """What it needs to itself on an engine where others write at the same time."""

    def needs(self, needs: Needs) -> None:
        """Add what it has to see."""

    def decide(self, state: State) -> Any:
        """Alter the state and return the result, or refuse by raising a RegistryError."""


class State:
    """The rows a batch works on, as dictionaries, and what is to be written of them."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.repositories: dict[int, Row] = {}
        self.versions: dict[FileKey, list[dict[str, Any]]] = {}
        """Versions of a key, newest first: the current one, and all where a history was needed."""
        self.packages: dict[tuple[int, str], dict[str, Any]] = {}
        self.blobs: dict[str, dict[str, Any]] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.holds: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """Active holds by the id of the package or version they are on."""
        self.retention_classes: dict[str, Row] | None = None
        """By name; None where the batch did not need them when it was loaded."""

        self.audit: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.new_versions: dict[str, dict[str, Any]] = {}
        self.new_parts: dict[str, list[dict[str, Any]]] = {}
        self.refreshed_versions: dict[str, dict[str, Any]] = {}
        self.gone_versions: list[dict[str, Any]] = []
        self.touched: set[FileKey] = set()
        self.new_packages: dict[str, dict[str, Any]] = {}
        self.changed_packages: dict[str, dict[str, Any]] = {}
        self.gone_packages: list[dict[str, Any]] = []
        self.new_blobs: list[dict[str, Any]] = []
        self.new_locations: list[dict[str, Any]] = []
        self.new_holds: list[dict[str, Any]] = []
        self.new_uploads: list[dict[str, Any]] = []
        self.completed_uploads: list[dict[str, Any]] = []
        self.gone_uploads: list[dict[str, Any]] = []
        self.upload_parts: dict[tuple[str, int], dict[str, Any]] = {}

    def current(self, key: FileKey) -> dict[str, Any] | None:
        """The newest version, a delete marker included."""
        versions = self.versions.get(key)
        return versions[0] if versions else None

    def add_version(self, version: dict[str, Any]) -> None:
        key = (version["repository_id"], version["key"])
        self.versions.setdefault(key, []).insert(0, version)
        self.new_versions[version["id"]] = version
        self.touched.add(key)

    def remove_version(self, version: dict[str, Any]) -> None:
        key = (version["repository_id"], version["key"])
        self.versions[key].remove(version)
        if self.new_versions.pop(version["id"], None) is None:
            self.gone_versions.append(version)
        self.new_parts.pop(version["id"], None)
        self.refreshed_versions.pop(version["id"], None)
        self.touched.add(key)

    def add_package(self, package: dict[str, Any]) -> None:
        self.packages[package["repository_id"], package["name"]] = package
        self.new_packages[package["id"]] = package

    def change_package(self, package: dict[str, Any]) -> None:
        if package["id"] not in self.new_packages:
            self.changed_packages[package["id"]] = package

    def remove_package(self, package: dict[str, Any]) -> None:
        del self.packages[package["repository_id"], package["name"]]
        self.changed_packages.pop(package["id"], None)
        if self.new_packages.pop(package["id"], None) is None:
            self.gone_packages.append(package)
