"""The system calls that change what is on disk, one function each, and what their failures mean.

Every durable step of this store goes through this module and is called as `disk.<name>`, so that a
recorder put in its place sees the order of writes, syncs and renames, and can cut it at any point.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from backends.store import Buffer, StoreCorruptError, StoreError, StoreFullError, StoreUnavailableError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# A link, a pipe or a directory where a file of ours should be: opened with O_NOFOLLOW, it is refused.
_FOREIGN = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ESPIPE, errno.ENXIO})
_NO_TMPFILE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHANGE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700

_IOV_MAX = os.sysconf("SC_IOV_MAX")
_PAGE = 4096
_FALLOC_KEEP_SIZE_PUNCH_HOLE = 0x01 | 0x02

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def store_error(error: OSError, doing: str) -> StoreError:
    """The store's word for a failed system call."""
    reason = f"{doing}: {os.strerror(error.errno) if error.errno else error}"
    if error.errno in _FULL:
        return StoreFullError(reason)
    if error.errno in _FOREIGN:
        return StoreCorruptError(reason)
    return StoreUnavailableError(reason)


@contextmanager
def failing_as(doing: str, *, missing: type[StoreError] | None = None) -> Iterator[None]:
    """Turn an OSError into a StoreError; one for a name that is not there into `missing`, where given."""
    try:
        yield
    except OSError as error:
        if missing is not None and error.errno == errno.ENOENT:
            raise missing(f"{doing}: not there") from error
        raise store_error(error, doing) from error


# --- names ---


def open_directory(name: str, dir_fd: int) -> int:
    return os.open(name, _DIRECTORY, dir_fd=dir_fd)


def open_for_reading(name: str, dir_fd: int) -> int:
    return os.open(name, _READ, dir_fd=dir_fd)


def open_for_change(name: str, dir_fd: int) -> int:
    return os.open(name, _CHANGE, dir_fd=dir_fd)


def open_unnamed(dir_fd: int) -> int | None:
    """A new file that has no name yet and vanishes when closed; None where the file system has no such thing."""
    try:
        return os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _PRIVATE_FILE, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in _NO_TMPFILE:
            return None
        raise


def open_new(name: str, dir_fd: int) -> int:
    return os.open(name, _CHANGE | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE, dir_fd=dir_fd)


def make_directory(name: str, dir_fd: int) -> None:
    os.mkdir(name, _PRIVATE_DIRECTORY, dir_fd=dir_fd)


def link_unnamed(fd: int, name: str, dir_fd: int) -> None:
    """Give an unnamed file its name. Raises FileExistsError rather than replace."""
    # A source directory makes CPython call linkat with AT_SYMLINK_FOLLOW, without which the proc link itself is linked.
    os.link(f"/proc/self/fd/{fd}", name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=True)


def link(source: str, source_fd: int, name: str, dir_fd: int) -> None:
    os.link(source, name, src_dir_fd=source_fd, dst_dir_fd=dir_fd, follow_symlinks=False)


def rename(source: str, source_fd: int, name: str, dir_fd: int) -> None:
    os.rename(source, name, src_dir_fd=source_fd, dst_dir_fd=dir_fd)


def unlink(name: str, dir_fd: int) -> bool:
    """Remove a name; false where it was gone already."""
    try:
        os.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return False
    return True


def remove_directory(name: str, dir_fd: int) -> None:
    os.rmdir(name, dir_fd=dir_fd)


def files(dir_fd: int) -> Iterator[tuple[str, int, float]]:
    """Name, size and time of change of every plain file in a directory."""
    with os.scandir(dir_fd) as entries:
        for entry in entries:
            # One that goes meanwhile is none.
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield entry.name, status.st_size, status.st_mtime


def names(dir_fd: int) -> list[str]:
    with os.scandir(dir_fd) as entries:
        return [entry.name for entry in entries]


# --- bytes ---


def write(fd: int, buffers: Sequence[Buffer], offset: int) -> int:
    """Write all buffers at `offset`; returns the offset after them."""
    pending = list(buffers)
    while pending:
        written = os.pwritev(fd, pending[:_IOV_MAX], offset)
        offset += written
        whole = 0
        while whole < len(pending) and written >= len(pending[whole]):
            written -= len(pending[whole])
            whole += 1
        del pending[:whole]
        if written:
            pending[0] = memoryview(pending[0])[written:]
    return offset


def pass_page_cache(fd: int) -> bool:
    """Have writes go to the disk past the page cache, from page-aligned memory and in whole pages; false where the
    file system cannot (open(2), O_DIRECT)."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_DIRECT)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    return True


def use_page_cache(fd: int) -> None:
    """Have writes go through the page cache again, of any size and from anywhere."""
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)


def truncate(fd: int, size: int) -> None:
    os.ftruncate(fd, size)


def punch(fd: int, start: int, stop: int) -> None:
    """Give the whole pages inside [start, stop) back to the file system, where it can take them."""
    first, last = -(-start // _PAGE) * _PAGE, stop // _PAGE * _PAGE
    if first < last:
        # A file system that cannot punch keeps the room until the file goes: no error of anyone's request.
        _libc.fallocate(fd, _FALLOC_KEEP_SIZE_PUNCH_HOLE, first, last - first)


def sync(fd: int) -> None:
    """Make a file, or the names in a directory, survive a loss of power."""
    os.fsync(fd)


def sync_data(fd: int) -> None:
    """Make a file's bytes, and as much of its size as is needed to find them, survive a loss of power."""
    os.fdatasync(fd)


# --- locks ---

WRITING = 0
"""Byte held by whoever still writes a file, or reads a completed upload through its outcome."""
REMOVING = 1
"""Byte held by whoever marks records of a pack dead, one at a time."""


def lock(fd: int, byte: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock one byte of a file for as long as its descriptor is open; false when another descriptor holds it.

    These are open file description locks (fcntl(2)): unlike POSIX locks they hold between descriptors
    of one process too, and unlike flock there can be several on one file. They vanish with the process.
    """
    kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
    request = struct.pack("hhqqi0q", kind, os.SEEK_SET, byte, 1, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, request)
    except (BlockingIOError, PermissionError):
        return False
    return True


def close(fd: int) -> None:
    """Close for good. What mattered was synced before, so a late error (NFS) tells nothing new."""
    with suppress(OSError):
        os.close(fd)
