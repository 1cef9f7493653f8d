"""Large files on their way to the disk past the page cache.

Making room in the page cache costs as much CPU as hashing, and pushes out what others read; a disk takes
whole blocks from page-aligned memory without it (open(2), O_DIRECT).
"""

from __future__ import annotations

import errno
import mmap

from backends.filesystem import disk
from backends.store import Buffer, Buffers

BLOCK = 512 << 10
"""Bytes of a write, held for each file that is being written. With twice as many, large files cost the same and files
of 1 MiB a tenth more."""


class DirectWriter:
    """Gathers what is written to a new file into blocks. Nothing is complete before `end`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # An anonymous map begins on a page.
        self._block = memoryview(mmap.mmap(-1, BLOCK))
        self._filled = 0
        self._written = 0

    def write(self, buffers: Buffers) -> None:
        for buffer in buffers:
            rest = memoryview(buffer)
            while rest:
                taken = min(len(rest), BLOCK - self._filled)
                self._block[self._filled : self._filled + taken] = rest[:taken]
                self._filled += taken
                rest = rest[taken:]
                if self._filled == BLOCK:
                    self._flush()

    def end(self) -> None:
        """Write what is left, which need not be whole pages. To be synced like any other write."""
        disk.use_page_cache(self._fd)
        self._flush()

    def _flush(self) -> None:
        block: list[Buffer] = [self._block[: self._filled]]
        try:
            self._written = disk.write(self._fd, block, self._written)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # A file system that took the flag and wants it otherwise: blocks of its own size, say.
            disk.use_page_cache(self._fd)
            self._written = disk.write(self._fd, block, self._written)
        self._filled = 0
