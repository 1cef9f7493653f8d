"""Where the servers keep their files while they are measured."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

# linux/fs.h; the same flag is `chattr +T`.
_FS_IOC_GETFLAGS = 0x80086601
_FS_IOC_SETFLAGS = 0x40086602
_FS_TOPDIR_FL = 0x00020000


@contextlib.contextmanager
def fresh_directory(parent: Path) -> Iterator[Path]:
    """A new directory, removed at the end, in a part of the disk where nothing was removed lately.

    Ext4 passes over inodes that were freed in the last minutes, one by one: making files just after many were removed
    nearby costs twenty times as much. Directories under one marked as a top of a hierarchy are spread over the disk.
    """
    home = parent / "artifact-store-bench"
    home.mkdir(exist_ok=True)
    _mark_as_top(home)
    directory = Path(tempfile.mkdtemp(dir=home))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _mark_as_top(directory: Path) -> None:
    """Does nothing where the filesystem has no such mark."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = array.array("i", [0])
        with contextlib.suppress(OSError):
            fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, flags)
            flags[0] |= _FS_TOPDIR_FL
            fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, flags)
    finally:
        os.close(descriptor)
