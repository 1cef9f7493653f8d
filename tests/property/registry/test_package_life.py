"""The life of packages under random operations: nothing protected ever goes, changes, or is kept less long.

The model beside the registry knows what was acknowledged and what protects it; it decides nothing else. An
operation may be refused for any reason. One that succeeds against a protection is a failure, and so is
anything that a reader sees and the model does not.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from backends.memory import MemoryStore
from registry import manifest
from registry.db.migrate import migrate
from registry.errors import RegistryError
from registry.model import FileAttributes, Hold, HoldQuery, Package, PackageStatus
from registry.uploads import CompletedPart
from tests.registry.world import DAY, Bytes, World

NAMES = ("run-1", "run-1", "run-2")
PATHS = ("a", "deep/b")
RETENTION = ("transient", "raw-evidence", "permanent-record")
FOLLOWS = {
    (PackageStatus.CREATED, PackageStatus.UPLOADING),
    (PackageStatus.UPLOADING, PackageStatus.FINALIZED),
    (PackageStatus.CREATED, PackageStatus.DELETED),
    (PackageStatus.UPLOADING, PackageStatus.DELETED),
    (PackageStatus.FINALIZED, PackageStatus.DELETED),
    (PackageStatus.DELETED, PackageStatus.FINALIZED),
    (PackageStatus.DELETED, PackageStatus.UPLOADING),
}
names, paths = st.sampled_from(NAMES), st.sampled_from(PATHS)
data = st.sampled_from([b"", b"one", b"two" * 30_000])


@dataclass
class Known:
    """What the model knows of a package."""

    id: str
    status: PackageStatus
    files: dict[str, bytes] = field(default_factory=dict)
    frozen: dict[str, bytes] = field(default_factory=dict)
    ends: int | None = 0
    """When protection ends; None: never."""
    manifests: dict[int, str] = field(default_factory=dict)
    holds: set[str] = field(default_factory=set)


class PackageLife(RuleBasedStateMachine):
    """Random operations by the registry's methods, which every face calls."""

    world: ClassVar[World]
    run: ClassVar[Callable[[Coroutine[Any, Any, Any]], Any]]
    examples: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        self.repository = f"example-{type(self).examples}"
        self.known: dict[str, Known] = {}
        self.gone: list[Known] = []
        self.do(self.world.repository(self.repository))

    def do(self, operation: Coroutine[Any, Any, Any]) -> Any:
        return type(self).run(operation)

    def attempt(self, operation: Coroutine[Any, Any, Any]) -> Any:
        """The result, or None where it was refused."""
        try:
            return self.do(operation)
        except RegistryError:
            return None

    def package(self, name: str) -> Package | None:
        return self.attempt(self.world.registry.packages.find(self.world.alice, self.repository, name))

    def took(self, name: str, path: str, content: bytes) -> None:
        """A file was written: was that allowed, and what is known now?"""
        known = self.known.get(name)
        if known is not None and path in known.frozen:
            assert known.frozen[path] == content, "a frozen file was replaced"
        if known is not None and path in known.files and known.files[path] != content:
            assert not known.holds, "a held file was replaced"
        package = self.package(name)
        assert package is not None
        if known is None or known.id != package.id:
            known = self.known[name] = Known(package.id, PackageStatus.UPLOADING)
        known.files[path] = content

    @rule(name=names, path=paths, content=data)
    def put(self, name: str, path: str, content: bytes) -> None:
        if self.attempt(self.world.put(f"{name}/{path}", content, repository=self.repository)):
            self.took(name, path, content)

    @rule(name=names, path=paths, other=names, source=paths)
    def copy(self, name: str, path: str, other: str, source: str) -> None:
        files, alice = self.world.registry.files, self.world.alice
        found = self.attempt(files.get(alice, self.repository, f"{other}/{source}"))
        if found is not None and self.attempt(files.copy(alice, found, self.repository, f"{name}/{path}")):
            self.took(name, path, self.known[other].files[source])

    @rule(name=names, path=paths, content=data)
    def upload_in_parts(self, name: str, path: str, content: bytes) -> None:
        uploads, alice, key = self.world.registry.uploads, self.world.alice, f"{name}/{path}"

        async def upload() -> Any:
            begun = await uploads.create(alice, self.repository, key, FileAttributes())
            part = await uploads.put_part(alice, self.repository, key, begun.id, 1, Bytes(content))
            return await uploads.complete(alice, self.repository, key, begun.id, [CompletedPart(1, part.etag)])

        if self.attempt(upload()):
            self.took(name, path, content)

    @rule(name=names, path=paths)
    def delete_file(self, name: str, path: str) -> None:
        known = self.known.get(name)
        deleted = self.attempt(self.world.registry.files.delete(self.world.alice, self.repository, f"{name}/{path}"))
        if deleted is not None and known is not None and path in known.files:
            assert path not in known.frozen, "a frozen file was deleted"
            assert not known.holds, "a held file was deleted"
            del known.files[path]
            if self.package(name) is None:
                assert not known.files
                del self.known[name]

    @rule(name=names, listed=st.booleans(), right=st.sampled_from([True, True, True, False]))
    def finalize(self, name: str, *, listed: bool, right: bool) -> None:
        known = self.known.get(name)
        if known is None:
            return
        sums = {path: hashlib.sha256(content).hexdigest() for path, content in known.files.items()}
        if not right:
            sums["missing"] = "0" * 64
        packages = self.world.registry.packages
        package = self.attempt(packages.finalize(self.world.alice, known.id, sums=sums if listed else None))
        if package is None:
            return
        assert right or not listed, "finalized against a wrong list"
        told = manifest.decode(self.do(packages.manifest(self.world.alice, known.id)))
        now = {path: hashlib.sha256(content).hexdigest() for path, content in known.files.items()}
        if package.revision not in known.manifests:
            assert {file.path: file.sha256 for file in told.files} == now
            assert told.previous == known.manifests.get(package.revision - 1)
            known.manifests[package.revision] = package.manifest_sha256 or ""
            known.frozen = dict(known.files)
        self.lasts(known, package.expires_at)
        known.status = PackageStatus.FINALIZED

    @rule(name=names)
    def amend(self, name: str) -> None:
        if known := self.known.get(name):
            self.attempt(self.world.registry.packages.amend(self.world.alice, known.id))

    @rule(name=names, path=paths, content=data)
    def put_into_an_amendment(self, name: str, path: str, content: bytes) -> None:
        """The three steps that a change to what is frozen would need, in a row."""
        self.finalize(name, listed=False, right=True)
        self.amend(name)
        self.put(name, path, content)

    @rule(name=names)
    def delete_package(self, name: str) -> None:
        known = self.known.get(name)
        if known is None or self.attempt(self.world.registry.packages.delete(self.world.alice, known.id)) is None:
            return
        assert not known.holds, "a held package was deleted"
        if known.status is PackageStatus.FINALIZED:
            assert known.ends is not None, "a package was deleted that is kept for ever"
            assert known.ends <= self.world.clock(), "a package was deleted within its term"
        known.status = PackageStatus.DELETED
        self.gone.append(self.known.pop(name))

    @precondition(lambda self: self.gone)
    @rule(number=st.integers(0, 9))
    def restore(self, number: int) -> None:
        known = self.gone[number % len(self.gone)]
        package = self.attempt(self.world.registry.packages.restore(self.world.alice, known.id))
        if package is not None:
            assert package.name not in self.known, "a package was restored over another"
            self.gone.remove(known)
            known.status = package.status
            self.known[package.name] = known

    @rule(name=names, days=st.integers(-5, 40), absolute=st.booleans())
    def extend(self, name: str, days: int, *, absolute: bool) -> None:
        if known := self.known.get(name):
            wanted: dict[str, int | None] = (
                {"until": self.world.clock() + days * DAY * 1_000_000} if absolute else {"seconds": days * DAY}
            )
            package = self.attempt(
                self.world.registry.retention.extend(self.world.alice, known.id, reason="because", **wanted)
            )
            if package is not None and known.status is PackageStatus.FINALIZED:
                self.lasts(known, package.expires_at)

    @rule(name=names, chosen=st.sampled_from(RETENTION))
    def change_class(self, name: str, chosen: str) -> None:
        if known := self.known.get(name):
            retention = self.world.registry.retention
            package = self.attempt(retention.change_class(self.world.alice, known.id, chosen, reason="because"))
            if package is not None and known.status is PackageStatus.FINALIZED:
                self.lasts(known, package.expires_at)

    @rule(chosen=st.sampled_from(RETENTION[:2]), days=st.integers(1, 60))
    def change_a_class_default(self, chosen: str, days: int) -> None:
        self.do(self.world.registry.retention.set_class_default(self.world.root, chosen, days * DAY))

    @rule(name=names)
    def place_hold(self, name: str) -> None:
        if known := self.known.get(name):
            holds = self.world.registry.holds
            hold: Hold | None = self.attempt(
                holds.place(self.world.alice, package_id=known.id, name="keep", reason="because")
            )
            if hold is not None:
                known.holds.add(hold.id)

    @rule(name=names)
    def release_hold(self, name: str) -> None:
        known = self.known.get(name)
        if known is not None and known.holds:
            hold = known.holds.pop()
            self.do(self.world.registry.holds.release(self.world.alice, hold, reason="over"))

    @rule(days=st.integers(0, 40))
    def wait(self, days: int) -> None:
        self.world.clock.advance(days * DAY)

    def lasts(self, known: Known, ends: int | None) -> None:
        """A finalized package is kept until `ends`: never less long than before."""
        assert ends is None or (known.ends is not None and ends >= known.ends), "retention was shortened"
        known.ends = ends

    @invariant()
    def all_is_as_it_was_acknowledged(self) -> None:
        expected = {
            f"{name}/{path}": content for name, known in self.known.items() for path, content in known.files.items()
        }
        seen = {key for key in self.do(self.world.keys(self.repository)) if "/.artifact/" not in key}
        assert seen == expected.keys()
        for key, content in expected.items():
            assert self.do(self.world.read(key, repository=self.repository)) == content

    @invariant()
    def packages_tell_the_truth(self) -> None:
        for name, known in self.known.items():
            package = self.do(self.world.registry.packages.get(self.world.alice, known.id))
            assert (package.name, package.file_count) == (name, len(known.files))
            assert package.size == sum(map(len, known.files.values()))
            assert package.status == known.status or (known.status, package.status) in FOLLOWS
            known.status = package.status
            if package.revision:
                assert package.manifest_sha256 == known.manifests[package.revision]
                assert package.expires_at == known.ends
            listed = self.do(
                self.world.registry.holds.list(self.world.alice, HoldQuery(package_id=known.id, active=True))
            )
            assert {hold.id for hold in listed.items} == known.holds


@pytest.fixture(params=["sqlite", "postgresql"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[type[PackageLife]]:
    """The machine on an open registry; every example has a repository of its own."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/registry.db"
    else:
        url = request.getfixturevalue("fresh_database")()
    with asyncio.Runner() as runner:
        runner.run(migrate(url))
        world = runner.run(World.open(url, MemoryStore()))
        yield type("OnADatabase", (PackageLife,), {"world": world, "run": runner.run, "examples": 0})
        runner.run(world.close())


def test_no_sequence_of_operations_breaks_a_protection(machine: type[PackageLife]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
