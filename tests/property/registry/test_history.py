"""Whatever is done to the files of a repository, and in whatever order: it is what a dictionary of lists would be."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backends.memory import MemoryStore
from registry.changes.delete_file import Deleted
from registry.db.migrate import migrate
from registry.errors import DeleteMarkerError, FileNotFoundInRegistryError, UploadNotFoundError
from registry.model import FileAttributes, FileVersion, Upload, UploadPart
from registry.uploads import CompletedPart
from tests.registry.world import Bytes, World

KEYS = ("loose", "run/a", "run/b/c", "é/1")
DATA = {"nothing": b"", "one": b"one", "two": b"two", "large": b"L" * 70_000}

keys = st.sampled_from(KEYS)
contents = st.sampled_from(sorted(DATA))


@dataclass(frozen=True)
class Line:
    """A version as the model knows it; `data` None: a delete marker."""

    version_id: str
    data: bytes | None


class History(RuleBasedStateMachine):
    """Drives a repository and, beside it, the model: the versions of each key, newest first."""

    world: ClassVar[World]
    runner: ClassVar[asyncio.Runner]
    names: ClassVar = (f"repository-{number}" for number in itertools.count(1))

    @initialize(versioning=st.sampled_from(["off", "enabled", "suspended"]))
    def begin(self, versioning: str) -> None:
        self.name = next(self.names)
        self.lines: dict[str, list[Line]] = {key: [] for key in KEYS}
        self.run(self.world.repository(self.name))
        self._set(versioning)

    def run(self, act: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(act)

    # --- what is done ---------------------------------------------------------------------------------------------

    @rule(key=keys, content=contents)
    def put(self, key: str, content: str) -> None:
        data = DATA[content]
        self.was_put(key, data, self.run(self.world.put(key, data, repository=self.name)))

    @rule(key=keys, source=keys)
    def copy(self, key: str, source: str) -> None:
        if (line := self.visible(source)) is not None:
            self.was_put(key, line.data, self.run(self._copy(source, key)))

    async def _copy(self, source: str, key: str) -> FileVersion:
        files = self.world.registry.files
        found = await files.get(self.world.alice, self.name, source)
        return await files.copy(self.world.alice, found, self.name, key)

    @rule(key=keys, content=contents, again=st.booleans())
    def upload(self, key: str, content: str, *, again: bool) -> None:
        data = DATA[content]
        upload, part = self.run(self._begin(key, data))
        version = self.run(self._complete(upload, part))
        self.was_put(key, data, version)
        if again:
            assert self.run(self._complete(upload, part)).id == version.id

    @rule(key=keys, content=contents)
    def abort(self, key: str, content: str) -> None:
        upload, part = self.run(self._begin(key, DATA[content]))
        self.run(self.world.registry.uploads.abort(self.world.alice, self.name, key, upload.id))
        try:
            self.run(self._complete(upload, part))
        except UploadNotFoundError:
            return
        raise AssertionError("an aborted upload was completed")

    async def _begin(self, key: str, data: bytes) -> tuple[Upload, UploadPart]:
        uploads, alice = self.world.registry.uploads, self.world.alice
        upload = await uploads.create(alice, self.name, key, FileAttributes())
        return upload, await uploads.put_part(alice, self.name, key, upload.id, 1, Bytes(data))

    async def _complete(self, upload: Upload, part: UploadPart) -> FileVersion:
        named = [CompletedPart(part.number, part.etag)]
        uploads = self.world.registry.uploads
        return await uploads.complete(self.world.alice, self.name, upload.key, upload.id, named)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        deleted = self.run(self.world.registry.files.delete(self.world.alice, self.name, key))
        self.was_deleted(key, deleted)

    @rule(key=keys, which=st.integers(0, 5))
    def delete_version(self, key: str, which: int) -> None:
        if self.lines[key]:
            line = self.lines[key].pop(which % len(self.lines[key]))
            files = self.world.registry.files
            deleted = self.run(files.delete(self.world.alice, self.name, key, line.version_id))
            assert deleted.delete_marker == (line.data is None)

    @rule(puts=st.dictionaries(keys, contents, max_size=4), deletes=st.sets(keys, max_size=4))
    def at_once(self, puts: dict[str, str], deletes: set[str]) -> None:
        """Changes to different keys, which share a transaction."""
        gone = sorted(deletes - set(puts))

        async def all_of_them() -> list[Any]:
            alice, files = self.world.alice, self.world.registry.files
            acts = [self.world.put(key, DATA[content], repository=self.name) for key, content in puts.items()]
            return await asyncio.gather(*acts, *(files.delete(alice, self.name, key) for key in gone))

        outcomes = self.run(all_of_them())
        for (key, content), version in zip(puts.items(), outcomes, strict=False):
            self.was_put(key, DATA[content], version)
        for key, deleted in zip(gone, outcomes[len(puts) :], strict=True):
            self.was_deleted(key, deleted)

    @rule()
    def enable(self) -> None:
        self._set("enabled")

    @precondition(lambda self: self.versioning == "enabled")
    @rule()
    def suspend(self) -> None:
        self._set("suspended")

    def _set(self, versioning: str) -> None:
        self.versioning = versioning
        self.run(self.world.execute(f"UPDATE repositories SET versioning = '{versioning}' WHERE name = '{self.name}'"))

    # --- what the model makes of it ---------------------------------------------------------------------------------

    def visible(self, key: str) -> Line | None:
        lines = self.lines[key]
        return lines[0] if lines and lines[0].data is not None else None

    def was_put(self, key: str, data: bytes | None, version: FileVersion) -> None:
        self._replace(key, Line(version.version_id, data))

    def was_deleted(self, key: str, deleted: Deleted) -> None:
        if self.versioning == "off":
            self.lines[key] = []
            assert deleted.marker_version_id is None
        else:
            assert deleted.marker_version_id is not None
            self._replace(key, Line(deleted.marker_version_id, None))

    def _replace(self, key: str, line: Line) -> None:
        assert (line.version_id == "null") == (self.versioning != "enabled")
        kept = [old for old in self.lines[key] if old.version_id != "null" or self.versioning == "enabled"]
        self.lines[key] = [line, *kept]

    # --- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        self.run(self._check())

    async def _check(self) -> None:
        for key in KEYS:
            await self._check_key(key)
        there = sorted((key for key in KEYS if self.visible(key)), key=str.encode)
        files, alice = self.world.registry.files, self.world.alice
        page = await files.list(alice, self.name)
        assert [(file.key, file.size) for file in page.files] == [(key, len(self._data(key))) for key in there]
        rolled = await files.list(alice, self.name, delimiter="/")
        assert [file.key for file in rolled.files] == [key for key in there if "/" not in key]
        assert list(rolled.prefixes) == list(dict.fromkeys(key.split("/")[0] + "/" for key in there if "/" in key))
        packages = await self.world.packages(self.name)
        if self.versioning != "off":
            # A package stays while versions of its files do.
            packages = {name: counts for name, counts in packages.items() if counts != (0, 0)}
        assert packages == await self.world.recounted(self.name)
        assert {blob.key async for blob in self.world.store.walk()} == await self.world.storage_keys()

    async def _check_key(self, key: str) -> None:
        try:
            read = await self.world.read(key, repository=self.name)
        except (FileNotFoundInRegistryError, DeleteMarkerError):
            assert self.visible(key) is None
        else:
            assert read == self._data(key)
        for line in self.lines[key]:
            if line.data is not None:
                assert await self.world.read(key, repository=self.name, version_id=line.version_id) == line.data

    def _data(self, key: str) -> bytes:
        line = self.visible(key)
        assert line is not None
        assert line.data is not None
        return line.data


def test_history(database_url: str) -> None:
    async def opened() -> World:
        await migrate(database_url)
        return await World.open(database_url, MemoryStore())

    with asyncio.Runner() as runner:
        History.runner = runner
        History.world = runner.run(opened())
        try:
            run_state_machine_as_test(
                History,
                settings=settings(
                    max_examples=25,
                    stateful_step_count=25,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(History.world.close())
