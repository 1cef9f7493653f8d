"""Group commit: one thread appends all blobs that wait to the process's own pack, and flushes them together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from backends.filesystem import disk, layout, record
from backends.filesystem.draft import Draft
from backends.filesystem.layout import PackedKey, Tree
from backends.filesystem.record import Record
from backends.store import Buffer, Buffers, StoreError, StoreUnavailableError

PACK_SIZE = 64 << 20
"""A pack that has reached this is sealed and the next one begun."""

_BATCH = 1024
"""Most blobs in a flush: bounds what a failure takes with it and what a walk holds in memory."""

_PADDING = bytes(record.ALIGNMENT)


@dataclass(slots=True)
class _Waiting:
    future: asyncio.Future[str]
    buffers: Buffers
    size: int
    sha256: bytes


class GroupCommit:
    """The one writer of packs in this process.

    A pack is appended to by the process that made it and never opened for that again, nor after a
    write or a flush failed: what the disk then holds is not known (fsync(2) tells an error once).
    """

    def __init__(self, tree: Tree, sealed: Callable[[str], None], withdraw: Callable[[list[str]], None]) -> None:
        """`sealed` is called in the writer's thread with the id of a pack that will not grow any more,
        `withdraw` in the event loop with keys that nobody waits for any longer."""
        self._tree = tree
        self._sealed = sealed
        self._withdraw = withdraw
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._pack: _Pack | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="blobs-group-commit", daemon=True)
        self._thread.start()

    async def put(self, buffers: Buffers, size: int, sha256: str) -> str:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        future: asyncio.Future[str] = self._loop.create_future()
        self._queue.put(_Waiting(future, buffers, size, bytes.fromhex(sha256)))
        return await future

    async def close(self) -> None:
        """Finish what waits, seal the pack, end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        more = True
        while more:
            first = self._queue.get()
            batch, more = ([first], True) if first is not None else ([], False)
            with suppress(Empty):
                while more and len(batch) < _BATCH:
                    following = self._queue.get_nowait()
                    if following is None:
                        more = False
                    else:
                        batch.append(following)
            # Whoever was cancelled while waiting needs no room.
            batch = [waiting for waiting in batch if not waiting.future.cancelled()]
            if batch:
                self._commit(batch)
        self._seal()

    def _commit(self, batch: list[_Waiting]) -> None:
        outcome: list[str] | StoreError
        try:
            if self._pack is None:
                self._pack = _Pack(self._tree)
            outcome = self._pack.append(batch)
        except OSError as error:
            outcome = disk.store_error(error, "writing a small blob")
            self._seal()
        except Exception as error:  # noqa: BLE001 - those who wait must hear of it, whatever it is
            outcome = StoreUnavailableError(f"writing a small blob: {error!r}")
            self._seal()
        else:
            if self._pack.size >= PACK_SIZE:
                self._seal()
        # One wake-up of the event loop per batch, not per blob.
        self._loop.call_soon_threadsafe(self._resolve, batch, outcome)

    def _seal(self) -> None:
        if self._pack is not None:
            self._pack.close()
            pack, self._pack = self._pack.id, None
            self._sealed(pack)

    def _resolve(self, batch: list[_Waiting], outcome: list[str] | StoreError) -> None:
        if isinstance(outcome, StoreError):
            for waiting in batch:
                if not waiting.future.cancelled():
                    # Each gets its own: an exception collects the tracebacks of those who raise it.
                    waiting.future.set_exception(type(outcome)(outcome.reason))
            return
        unwanted = []
        for waiting, key in zip(batch, outcome, strict=True):
            if waiting.future.cancelled():
                unwanted.append(key)
            else:
                waiting.future.set_result(key)
        if unwanted:
            self._withdraw(unwanted)


class _Pack:
    """The pack being written. Locked from before it has a name until it is closed."""

    def __init__(self, tree: Tree) -> None:
        self.id = layout.new_id()
        self.size = 0
        self._seed = record.seed_of(self.id)
        self._batch = 0
        self._draft = Draft(tree, tree.packs)
        try:
            # Before it is visible: a pack without live records that nobody writes is removed.
            disk.lock(self._draft.fd, disk.WRITING)
            self._draft.publish(layout.pack_name(self.id), tree.packs)
        except BaseException:
            self._draft.close()
            raise

    def append(self, batch: list[_Waiting]) -> list[str]:
        """Write and flush the batch; returns the keys. After an error the batch is cut off again."""
        before = self.size
        written_at = time.time_ns() // 1000
        buffers: list[Buffer] = []
        keys = []
        offset = before
        for waiting in batch:
            span = record.span_of(waiting.size)
            header = Record(span, waiting.size, self._batch, written_at, waiting.sha256)
            buffers.append(record.encode(header, self._seed))
            buffers.extend(waiting.buffers)
            buffers.append(_PADDING[: span - record.HEADER - waiting.size])
            keys.append(str(PackedKey(self.id, offset, waiting.size)))
            offset += span
        try:
            disk.write(self._draft.fd, buffers, before)
            disk.sync_data(self._draft.fd)
        except OSError:
            # Best effort: these records were never acknowledged, and a walk checks a pack's last batch anyway.
            with suppress(OSError):
                disk.truncate(self._draft.fd, before)
            raise
        self.size = offset
        self._batch += 1
        return keys

    def close(self) -> None:
        self._draft.close()
