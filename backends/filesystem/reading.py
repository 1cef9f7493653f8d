"""Reading blobs that are files: one, or one per part."""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import accumulate
from typing import Protocol

from backends.filesystem import disk
from backends.filesystem.threads import Threads
from backends.held import PIECE, beyond_end
from backends.store import Buffer, Extent, StoreCorruptError

OPEN_PARTS = 16
"""Most part files a reader holds open."""


class OpenBlob(Protocol):
    """A blob as stretches of files."""

    size: int

    def extents(self, start: int, stop: int) -> Sequence[Extent]:
        """See BlobReader.extents."""

    def close(self) -> None:
        """Close what is open."""


class OpenFile:
    """A blob in a file of its own. Takes the descriptor over."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise StoreCorruptError("what should be a blob's file is none")
        self.size = status.st_size

    def extents(self, start: int, stop: int) -> Sequence[Extent]:
        if stop > self.size:
            raise beyond_end(self.size, stop)
        return [Extent(self._fd, start, stop - start)] if start < stop else []

    def close(self) -> None:
        disk.close(self._fd)


class OpenParts:
    """A blob in a file per part: holds a window of them open, wherever the last stretch began.

    Takes the descriptors of the upload's directory and of its outcome over. `closed` is called after
    they are let go.
    """

    def __init__(
        self, directory: int, outcome: int, parts: Sequence[tuple[str, int]], closed: Callable[[], None]
    ) -> None:
        self._directory = directory
        self._outcome = outcome
        self._names = [name for name, _ in parts]
        self._starts = [0, *accumulate(size for _, size in parts)]
        self._closed = closed
        self._window: dict[int, int] = {}
        self.size = self._starts[-1]

    def extents(self, start: int, stop: int) -> Sequence[Extent]:
        if stop > self.size:
            raise beyond_end(self.size, stop)
        wanted: list[tuple[int, int, int]] = []
        part = bisect_right(self._starts, start) - 1
        while start < stop and len(wanted) < OPEN_PARTS:
            length = min(stop, self._starts[part + 1]) - start
            if length:
                wanted.append((part, start - self._starts[part], length))
            start += length
            part += 1
        self._close_but({part for part, _, _ in wanted})
        return [Extent(self._descriptor(part), offset, length) for part, offset, length in wanted]

    def close(self) -> None:
        self._close_but(set())
        disk.close(self._outcome)
        disk.close(self._directory)
        self._closed()

    def _close_but(self, wanted: set[int]) -> None:
        for part in self._window.keys() - wanted:
            disk.close(self._window.pop(part))

    def _descriptor(self, part: int) -> int:
        fd = self._window.get(part)
        if fd is None:
            with disk.failing_as("opening a part of a blob", missing=StoreCorruptError):
                fd = disk.open_for_reading(self._names[part], self._directory)
            self._window[part] = fd
        return fd


def read_all(blob: OpenBlob, start: int, stop: int) -> bytes:
    """Bytes [start, stop) of an open blob, which is closed then."""
    try:
        pieces = []
        while start < stop:
            for extent in blob.extents(start, stop):
                with disk.failing_as("reading a blob"):
                    piece = os.pread(extent.fd, extent.length, extent.offset)
                if len(piece) != extent.length:
                    raise StoreCorruptError("a blob's file is shorter than its record")
                pieces.append(piece)
                start += extent.length
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        blob.close()


class FileReader:
    """A BlobReader over files."""

    def __init__(self, blob: OpenBlob, threads: Threads) -> None:
        self._blob = blob
        self._threads = threads
        self._open = True
        self.size = blob.size

    def extents(self, start: int, stop: int) -> Sequence[Extent]:
        return self._blob.extents(start, stop)

    async def stream(self, start: int, stop: int) -> AsyncIterator[Buffer]:
        while start < stop:
            for extent in self._blob.extents(start, stop):
                offset, end = extent.offset, extent.offset + extent.length
                while offset < end:
                    with disk.failing_as("reading a blob"):
                        piece = await self._threads.run(os.pread, extent.fd, min(PIECE, end - offset), offset)
                    if not piece:
                        raise StoreCorruptError("a blob's file is shorter than its record")
                    yield piece
                    offset += len(piece)
                start += extent.length

    async def close(self) -> None:
        if self._open:
            self._open = False
            await self._threads.run(self._blob.close)
