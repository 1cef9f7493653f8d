"""Packs as they lie: reading records, removing them, walking them."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from backends.filesystem import disk, layout, record
from backends.filesystem.layout import PackedKey, Tree
from backends.filesystem.record import HEADER, Record
from backends.held import beyond_end
from backends.store import BlobNotFoundError, StoreCorruptError, StoredBlob, StoreError

_OPEN_PACKS = 128
_CURSORS = 4096


class UnreadableRecordError(Exception):
    """There is no header where a key says; `Packs.explain` finds out why."""


class Packs:
    """All packs of the store, whoever wrote them.

    `read` belongs to the event loop's thread, which owns the open descriptors; the rest may run in any
    thread. Removals are serialised per pack by a lock on the file, between processes too.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._open: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._dead_until: OrderedDict[str, int] = OrderedDict()

    def close(self) -> None:
        for fd, _ in self._open.values():
            disk.close(fd)
        self._open.clear()

    # --- reading ---

    def read(self, key: PackedKey, start: int, stop: int) -> bytes:
        """Bytes [start, stop) of a record: two preads of what is most likely cached. Raises OSError,
        FileNotFoundError when the pack is gone, and UnreadableRecordError."""
        fd, seed = self._descriptor(key.pack)
        data = os.pread(fd, stop - start, key.offset + HEADER + start)
        # The header last: room is given back only after the record is dead, so bytes read before the
        # header was seen alive are the blob's.
        found = record.at(fd, key.offset, seed)
        if found is None:
            raise UnreadableRecordError
        if found.dead:
            raise BlobNotFoundError("the blob was deleted")
        if found.size != key.size or len(data) != stop - start:
            raise StoreCorruptError("a pack's record is not as long as its key says")
        if stop > key.size:
            raise beyond_end(key.size, stop)
        return data

    def explain(self, key: PackedKey) -> StoreError:
        """Tell a record that was deleted, and swallowed by a dead neighbour, from a damaged one."""
        fd = disk.open_for_reading(layout.pack_name(key.pack), self._tree.packs)
        try:
            for offset, found in record.every(fd, record.seed_of(key.pack)):
                if found.dead and offset <= key.offset < offset + found.span:
                    return BlobNotFoundError("the blob was deleted")
        finally:
            disk.close(fd)
        return StoreCorruptError("a pack holds no record where a key says")

    def _descriptor(self, pack: str) -> tuple[int, int]:
        held = self._open.get(pack)
        if held is not None:
            self._open.move_to_end(pack)
            return held
        held = disk.open_for_reading(layout.pack_name(pack), self._tree.packs), record.seed_of(pack)
        self._open[pack] = held
        if len(self._open) > _OPEN_PACKS:
            _, (fd, _) = self._open.popitem(last=False)
            disk.close(fd)
        return held

    def forget(self, pack: str) -> None:
        """Let go of the descriptor of a pack that may be gone."""
        held = self._open.pop(pack, None)
        if held is not None:
            disk.close(held[0])

    # --- removing ---

    def remove(self, pack: str, keys: Sequence[PackedKey]) -> None:
        """Mark the records dead, durably, and give their room back; the pack goes with its last live record."""
        try:
            fd = disk.open_for_change(layout.pack_name(pack), self._tree.packs)
        except FileNotFoundError:
            return
        try:
            disk.lock(fd, disk.REMOVING, wait=True)
            self._kill(fd, record.seed_of(pack), keys)
            self._remove_if_dead(fd, pack)
        finally:
            disk.close(fd)

    def remove_if_dead(self, pack: str) -> None:
        """Remove a pack that holds no live record and that nobody writes any more."""
        self.remove(pack, ())

    @staticmethod
    def _kill(fd: int, seed: int, keys: Sequence[PackedKey]) -> None:
        dead: list[int] = []
        for key in sorted(keys, key=lambda key: key.offset):
            found = record.at(fd, key.offset, seed)
            if found is not None and not found.dead and found.size == key.size:
                disk.write(fd, [record.DEAD], key.offset + record.STATE_AT)
                dead.append(key.offset)
        if not dead:
            return
        runs: list[tuple[int, int]] = []
        for offset in dead:
            if runs and offset < runs[-1][1]:
                continue
            start, first = next(record.chain(fd, seed, offset))
            stop = start + first.span
            for neighbour, found in record.chain(fd, seed, stop):
                if not found.dead:
                    break
                stop = neighbour + found.span
            if stop > start + first.span:
                disk.write(fd, [record.encode(replace(first, span=stop - start), seed)], start)
            runs.append((start, stop))
        # Dead for good before the first byte goes: a reader trusts a header that is alive.
        disk.sync_data(fd)
        for start, stop in runs:
            disk.punch(fd, start + HEADER, stop)

    def _remove_if_dead(self, fd: int, pack: str) -> None:
        # Death is final, so what was dead once need not be looked at again.
        offset = self._dead_until.pop(pack, 0)
        for start, found in record.chain(fd, record.seed_of(pack), offset):
            if not found.dead:
                break
            offset = start + found.span
        size = os.fstat(fd).st_size
        # Only when the dead reach exactly to the end: a damaged header may hide live records behind it.
        if offset == size and disk.lock(fd, disk.WRITING):
            disk.unlink(layout.pack_name(pack), self._tree.packs)
            # Descriptors kept open for reading, here or in another process, would hold on to the room.
            disk.truncate(fd, 0)
            return
        self._dead_until[pack] = offset
        if len(self._dead_until) > _CURSORS:
            self._dead_until.popitem(last=False)

    # --- walking ---

    def names(self) -> Iterator[str]:
        for name, _, _ in disk.files(self._tree.packs):
            pack = layout.pack_of(name)
            if pack is not None:
                yield pack

    def walk(self) -> Iterator[StoredBlob]:
        """Every live record. Of a pack's last batch, whose flush nothing proves, only those whose bytes are right."""
        for pack in self.names():
            try:
                fd = disk.open_for_reading(layout.pack_name(pack), self._tree.packs)
            except FileNotFoundError:
                continue
            try:
                yield from self._walk_pack(fd, pack)
            finally:
                disk.close(fd)

    @staticmethod
    def _walk_pack(fd: int, pack: str) -> Iterator[StoredBlob]:
        def stored(offset: int, found: Record) -> StoredBlob:
            key = PackedKey(pack, offset, found.size)
            return StoredBlob(str(key), found.size, found.written_at / 1e6, found.sha256.hex())

        batch: list[tuple[int, Record]] = []
        for offset, found in record.every(fd, record.seed_of(pack)):
            if batch and batch[-1][1].batch != found.batch:
                yield from (stored(*each) for each in batch if not each[1].dead)
                batch.clear()
            batch.append((offset, found))
        disk.sync_data(fd)
        for offset, found in batch:
            if not found.dead and _is_whole(fd, offset, found):
                yield stored(offset, found)


def _is_whole(fd: int, offset: int, found: Record) -> bool:
    return hashlib.sha256(os.pread(fd, found.size, offset + HEADER)).digest() == found.sha256
