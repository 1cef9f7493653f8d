"""The filesystem store: which kind of blob goes where. What lies on disk is drawn in layout.py."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from backends.filesystem import disk, draft, layout, multipart, writing
from backends.filesystem.group_commit import GroupCommit
from backends.filesystem.layout import FileKey, MultipartKey, PackedKey, Tree
from backends.filesystem.multipart import PartFile
from backends.filesystem.packs import Packs, UnreadableRecordError
from backends.filesystem.reading import FileReader, OpenFile, read_all
from backends.filesystem.threads import Threads
from backends.filesystem.writing import BlobFile, FileWriter
from backends.held import HeldBlob
from backends.store import (
    SMALL,
    BlobNotFoundError,
    BlobReader,
    BlobWriter,
    Buffers,
    StoreCorruptError,
    StoredBlob,
    StoredPart,
    StoreError,
    StoreUsage,
)

_WALK_BATCH = 256


class FilesystemStore:
    """A BlobStore in a directory. Any number of processes may have it open at once.

    Small blobs share packs and flushes; streams and parts are files of their own. Short reads happen
    in the event loop, where the page cache answers before a thread would be awake.
    """

    _tree: Tree
    _packs: Packs
    _threads: Threads
    _commits: GroupCommit

    def __init__(self, root: Path, *, name: str = "default") -> None:
        self.name = name
        self._root = root
        self._is_open = False
        self._withdrawals: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        with disk.failing_as(f"opening the store in {self._root}"):
            self._tree = await asyncio.to_thread(Tree.open, self._root)
        self._packs = Packs(self._tree)
        self._threads = Threads()
        self._commits = GroupCommit(self._tree, self._sealed, self._withdraw)
        self._is_open = True
        with disk.failing_as(f"sweeping the store in {self._root}"):
            await self._threads.run(self._sweep)

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        await self._commits.close()
        await asyncio.gather(*self._withdrawals)
        await self._threads.close()
        self._packs.close()
        self._tree.close()

    async def probe(self) -> None:
        told = secrets.token_bytes(16)
        writer = self.create(len(told))
        try:
            await writer.write([told])
        except BaseException:
            await writer.abort()
            raise
        key = await writer.commit()
        try:
            if await self.read(key, 0, len(told)) != told:
                raise StoreCorruptError("the store reads back something else than was written")
        finally:
            await self.delete([key])

    async def usage(self) -> StoreUsage:
        with disk.failing_as("asking for room"):
            return StoreUsage(used=None, free=self._tree.free())

    # --- whole blobs ---

    async def put(self, buffers: Buffers, size: int, sha256: str) -> str:
        if size > SMALL or size != sum(map(len, buffers)):
            raise ValueError(f"put takes at most {SMALL} bytes, and exactly as many as it is told")
        return await self._commits.put(buffers, size, sha256)

    def create(self, size: int | None = None) -> BlobWriter:
        return FileWriter(BlobFile(self._tree, size), self._threads)

    async def read(self, key: str, start: int, stop: int) -> bytes:
        where = layout.parse_key(key)
        if isinstance(where, PackedKey):
            return await self._read_packed(where, start, stop)
        if isinstance(where, FileKey) and stop - start <= SMALL:
            return read_all(self._open_file(where), start, stop)
        return await self._threads.run(self._read_files, where, start, stop)

    async def open_blob(self, key: str) -> BlobReader:
        where = layout.parse_key(key)
        if isinstance(where, PackedKey):
            # Held in memory: a record's room may be given back while somebody reads.
            return HeldBlob(await self._read_packed(where, 0, where.size))
        if isinstance(where, FileKey):
            return FileReader(self._open_file(where), self._threads)
        return FileReader(await self._threads.run(multipart.open_parts, self._tree, where.upload), self._threads)

    async def delete(self, keys: Iterable[str]) -> None:
        with disk.failing_as("deleting blobs"):
            await self._threads.run(self._remove, list(keys))

    async def walk(self) -> AsyncIterator[StoredBlob]:
        found = self._walk()
        try:
            with disk.failing_as("walking the store"):
                while batch := await self._threads.run(lambda: list(islice(found, _WALK_BATCH))):
                    for blob in batch:
                        yield blob
        finally:
            found.close()

    # --- in parts ---

    async def create_multipart(self) -> str:
        with disk.failing_as("beginning an upload"):
            return await self._threads.run(multipart.begin, self._tree)

    def create_part(self, upload: str, number: int, size: int | None = None) -> BlobWriter:
        return FileWriter(PartFile(self._tree, upload, number, size), self._threads)

    async def complete_multipart(self, upload: str, parts: Sequence[StoredPart]) -> str:
        return await self._threads.run(multipart.complete, self._tree, upload, parts)

    async def abort_multipart(self, upload: str) -> None:
        await self._threads.run(multipart.abort, self._tree, upload)

    # --- how ---

    def _open_file(self, key: FileKey) -> OpenFile:
        with disk.failing_as("opening a blob", missing=BlobNotFoundError):
            return OpenFile(self._tree.open_file(key.name))

    def _read_files(self, key: FileKey | MultipartKey, start: int, stop: int) -> bytes:
        blob = self._open_file(key) if isinstance(key, FileKey) else multipart.open_parts(self._tree, key.upload)
        return read_all(blob, start, stop)

    async def _read_packed(self, key: PackedKey, start: int, stop: int) -> bytes:
        try:
            return self._packs.read(key, start, stop)
        except FileNotFoundError:
            raise BlobNotFoundError("the blob's pack is not there") from None
        except OSError as error:
            raise disk.store_error(error, "reading a small blob") from error
        except UnreadableRecordError:
            self._packs.forget(key.pack)
            with disk.failing_as("reading a small blob", missing=BlobNotFoundError):
                raise await self._threads.run(self._packs.explain, key) from None

    def _remove(self, keys: Iterable[str]) -> None:
        packed: dict[str, list[PackedKey]] = {}
        files: list[str] = []
        for key in keys:
            with suppress(BlobNotFoundError):
                match layout.parse_key(key):
                    case PackedKey() as record:
                        packed.setdefault(record.pack, []).append(record)
                    case FileKey(name):
                        files.append(name)
                    case MultipartKey(upload):
                        multipart.remove(self._tree, upload)
        for pack, records in packed.items():
            self._packs.remove(pack, records)
        writing.remove_files(self._tree, files)

    def _walk(self) -> Generator[StoredBlob, None, None]:
        yield from self._packs.walk()
        yield from writing.walk_files(self._tree)
        yield from multipart.walk_completed(self._tree)

    def _sweep(self) -> None:
        draft.sweep(self._tree)
        multipart.sweep(self._tree)
        for pack in self._packs.names():
            self._sealed(pack)

    def _sealed(self, pack: str) -> None:
        # An empty pack that stays costs a name; the next start tries again.
        with suppress(OSError):
            self._packs.remove_if_dead(pack)

    def _withdraw(self, keys: list[str]) -> None:
        """Blobs whose callers were cancelled while the disk worked."""
        task = asyncio.get_running_loop().create_task(self._delete_quietly(keys))
        self._withdrawals.add(task)
        task.add_done_callback(self._withdrawals.discard)

    async def _delete_quietly(self, keys: list[str]) -> None:
        # What stays is bytes without a row, as after a crash: reconcile's work.
        with suppress(StoreError):
            await self.delete(keys)
