"""A local directory as the files of a package: which there are, their digests, and their bytes as they were then."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.profiles.profile import Fault
from registry.errors import InvalidKeyError, KeyTooLongError
from registry.names import RESERVED_SEGMENT, check_key

PART = 16 << 20
"""Bytes. Larger files are sent in parts of so many, or of more where 10,000 parts would not do."""
_MOST_PARTS = 10_000
_BLOCK = 1 << 20


class ChangedError(Exception):
    """The file is no longer what it was when it was looked at first."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} changed while it was being read: push when nothing writes to it any more.")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file as it was found; `path` is relative to the directory, with `/`."""

    directory: Path
    path: str
    size: int
    identity: tuple[int, int, int]

    def open(self) -> int:
        """A descriptor to read it by. Raises ChangedError if it is another file by now."""
        try:
            descriptor = os.open(self.directory / self.path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise ChangedError(self.path) from error
        try:
            self.check(descriptor)
        except ChangedError:
            os.close(descriptor)
            raise
        return descriptor

    def check(self, descriptor: int) -> None:
        """Raise ChangedError if the file has been written to."""
        found = os.fstat(descriptor)
        if (found.st_size, _identity(found)) != (self.size, self.identity):
            raise ChangedError(self.path)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a file, or all of it; a body to send."""

    file: LocalFile
    start: int
    size: int
    sha256: str

    async def __aiter__(self) -> AsyncIterator[bytes]:
        descriptor = self.file.open()
        try:
            position, stop = self.start, self.start + self.size
            while position < stop:
                block = await asyncio.to_thread(os.pread, descriptor, min(_BLOCK, stop - position), position)
                if not block:
                    raise ChangedError(self.file.path)
                position += len(block)
                yield block
            self.file.check(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file, its SHA-256, and the slices it is sent in."""

    file: LocalFile
    sha256: str
    slices: tuple[Slice, ...]

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def size(self) -> int:
        return self.file.size


def scan(directory: Path, package: str) -> tuple[list[LocalFile], list[Fault]]:
    """Every file below the directory in byte order of the paths, and everything that no package can hold.

    What the registry itself wrote there, as a pull does below `.artifact/`, is neither.
    """
    files: list[LocalFile] = []
    faults: list[Fault] = []
    for path, entry in _walk(directory, faults):
        try:
            check_key(f"{package}/{path}")
        except (InvalidKeyError, KeyTooLongError) as error:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            faults.append(Fault(shown, f"no file of a package can be called so: {error.message}"))
            continue
        found = entry.stat(follow_symlinks=False)
        if entry.is_symlink():
            faults.append(Fault(path, "is a symbolic link; put what it points to in its place, or remove it"))
        elif not stat.S_ISREG(found.st_mode):
            faults.append(Fault(path, "is a device, pipe or socket"))
        elif not os.access(entry.path, os.R_OK):
            faults.append(Fault(path, "cannot be read: this user may not"))
        else:
            files.append(LocalFile(directory, path, found.st_size, _identity(found)))
    return sorted(files, key=lambda file: file.path), sorted(faults, key=lambda fault: fault.path)


def hashed(file: LocalFile) -> HashedFile:
    """The file with its digests. Raises ChangedError; blocks while it reads."""
    length = max(PART, -(-file.size // _MOST_PARTS))
    whole = hashlib.sha256()
    slices = []
    descriptor = file.open()
    try:
        for start in range(0, file.size, length) or (0,):
            size = min(length, file.size - start)
            part = hashlib.sha256()
            for position in range(start, start + size, _BLOCK):
                block = os.pread(descriptor, min(_BLOCK, start + size - position), position)
                whole.update(block)
                part.update(block)
            slices.append(Slice(file, start, size, part.hexdigest()))
        file.check(descriptor)
    finally:
        os.close(descriptor)
    return HashedFile(file, whole.hexdigest(), tuple(slices))


def _walk(directory: Path, faults: list[Fault]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(directory / prefix) as found:
                entries = list(found)
        except OSError as error:
            faults.append(Fault(prefix or ".", f"cannot be listed: {error.strerror}"))
            continue
        for entry in entries:
            path = prefix + entry.name
            if not entry.is_dir(follow_symlinks=False):
                yield path, entry
            elif path != RESERVED_SEGMENT:
                pending.append(path + "/")


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_dev, found.st_ino, found.st_mtime_ns
