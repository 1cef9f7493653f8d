"""Streams on their way into a file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from backends.filesystem import disk, layout
from backends.filesystem.draft import Draft
from backends.filesystem.layout import FileKey, Tree
from backends.filesystem.threads import Threads
from backends.store import Buffers, StoredBlob


class Destination(Protocol):
    """Where a stream ends up: a blob's file, or a part's. Called in threads."""

    def begin(self) -> Draft:
        """A draft near where the file will be."""

    def publish(self, draft: Draft, sha256: str | None) -> str:
        """Name the draft, durably; returns its key."""

    def withdraw(self, key: str) -> None:
        """Take back what was published."""


class FileWriter:
    """A BlobWriter into one file of its own. Nothing is made before the first byte or the commit."""

    def __init__(self, destination: Destination, threads: Threads) -> None:
        self._destination = destination
        self._threads = threads
        self._draft: Draft | None = None
        self._key: str | None = None

    async def write(self, buffers: Buffers) -> None:
        with disk.failing_as("writing a blob"):
            await self._threads.run(self._write, buffers)

    async def commit(self, sha256: str | None = None) -> str:
        with disk.failing_as("making a blob durable"):
            try:
                return await self._threads.run(self._commit, sha256)
            except asyncio.CancelledError:
                # The thread may have done its work by now: nobody will ever hear of this key.
                if self._key is not None:
                    await self._threads.run(self._destination.withdraw, self._key)
                raise

    async def abort(self) -> None:
        with disk.failing_as("forgetting a blob"):
            await self._threads.run(self._let_go)

    def _write(self, buffers: Buffers) -> None:
        self._begun().write(buffers)

    def _commit(self, sha256: str | None) -> str:
        try:
            self._key = self._destination.publish(self._begun(), sha256)
        finally:
            self._let_go()
        return self._key

    def _begun(self) -> Draft:
        if self._draft is None:
            self._draft = self._destination.begin()
        return self._draft

    def _let_go(self) -> None:
        if self._draft is not None:
            draft, self._draft = self._draft, None
            draft.close()


class BlobFile:
    """The destination of a stream that becomes a blob of its own."""

    def __init__(self, tree: Tree, size: int | None) -> None:
        self._tree = tree
        self._size = size
        self._id = layout.new_id()

    def begin(self) -> Draft:
        self._tree.require_room(self._size)
        with self._tree.shard(self._tree.blobs, self._id, make=True) as shard:
            return Draft(self._tree, shard, self._size)

    def publish(self, draft: Draft, sha256: str | None) -> str:
        name = layout.file_name(self._id, sha256)
        with self._tree.shard(self._tree.blobs, self._id) as shard:
            draft.publish(name, shard)
        return str(FileKey(name))

    def withdraw(self, key: str) -> None:
        remove_files(self._tree, [key.removeprefix("f.")])


def remove_files(tree: Tree, names: list[str]) -> None:
    """Unlink streamed blobs, durably; one sync per directory."""
    by_shard: dict[str, list[str]] = {}
    for name in names:
        by_shard.setdefault(name[:2], []).append(name)
    for shard, there in by_shard.items():
        with suppress(FileNotFoundError), tree.shard(tree.blobs, shard) as fd:
            gone = [name for name in there if disk.unlink(name, fd)]
            if gone:
                disk.sync(fd)


def walk_files(tree: Tree) -> Iterator[StoredBlob]:
    """Every streamed blob: its name was given after its bytes were durable. Holds a 256th of the names in memory."""
    for shard in tree.shards(tree.blobs):
        found = [file for file in disk.files(shard) if layout.is_file_name(file[0])]
        if found:
            # Whoever gave the last names may have died before they were durable.
            disk.sync(shard)
        for name, size, modified_at in found:
            yield StoredBlob(str(FileKey(name)), size, modified_at, layout.sha256_of(name))
