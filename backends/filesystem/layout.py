"""What lies where in the store's directory, and which names and keys there are.

    <root>/
      packs/<id>.pack                  small blobs, record after record (record.py)
      blobs/<ab>/<id>[.<sha256>]       a streamed blob, one file each
      uploads/<ab>/<id>/               a multipart upload, and the blob it becomes
        <number>.<id>[.<sha256>]         a part: lands here and stays here
        outcome                          how the upload ended: its parts in order, or aborted
        aborted                          while it is open: an outcome that tells of an abort
      tmp/                             condemned uploads; files without a name yet, where O_TMPFILE is unknown

<id> is 128 random bits in hex and <ab> its first two digits. The digest stands in the name where it was
known in time, so that the bytes can be checked with `sha256sum` alone. Any number of processes share
the directory; every name is made once and never reused.

Storage keys, by kind: `p.<pack>.<offset>.<size>` a record, `f.<id>[.<sha256>]` a file, `m.<id>` a completed
upload. A key is matched whole against its pattern before any part of it is used as a name, and names are
opened one component at a time relative to an open directory without following links: neither a key nor a
link planted in the store leads out of it.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from backends.filesystem import disk
from backends.store import BlobNotFoundError

OUTCOME = "outcome"
ABORTED = "aborted"

_ID = r"[0-9a-f]{32}"
_SHA256 = r"[0-9a-f]{64}"
_OFFSET = r"(?:0|[1-9a-f][0-9a-f]{0,7})"
_SIZE = r"(?:0|[1-9a-f][0-9a-f]{0,4})"
_KEY = re.compile(rf"p\.({_ID})\.({_OFFSET})\.({_SIZE})|f\.({_ID}(?:\.{_SHA256})?)|m\.({_ID})")
_FILE_NAME = re.compile(rf"({_ID})(?:\.({_SHA256}))?")
_PART_NAME = re.compile(rf"([0-9]{{5}})\.({_ID})(?:\.({_SHA256}))?")
_PACK_NAME = re.compile(rf"({_ID})\.pack")
_UPLOAD = re.compile(_ID)
_SHARD = re.compile(r"[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class PackedKey:
    pack: str
    offset: int
    size: int

    def __str__(self) -> str:
        return f"p.{self.pack}.{self.offset:x}.{self.size:x}"


@dataclass(frozen=True, slots=True)
class FileKey:
    name: str

    def __str__(self) -> str:
        return f"f.{self.name}"


@dataclass(frozen=True, slots=True)
class MultipartKey:
    upload: str

    def __str__(self) -> str:
        return f"m.{self.upload}"


def parse_key(key: str) -> PackedKey | FileKey | MultipartKey:
    """Take a storage key apart. What is no key of this store names no blob: BlobNotFoundError."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise BlobNotFoundError("this is no key of this store")
    pack, offset, size, name, upload = match.groups()
    if pack is not None:
        return PackedKey(pack, int(offset, 16), int(size, 16))
    if name is not None:
        return FileKey(name)
    return MultipartKey(upload)


def new_id() -> str:
    return secrets.token_hex(16)


def file_name(identity: str, sha256: str | None) -> str:
    """Raises ValueError for a digest that is none: nothing else may come into a path."""
    name = identity if sha256 is None else f"{identity}.{sha256}"
    if not is_file_name(name):
        raise ValueError("a SHA-256 is given as 64 lower-case hex digits")
    return name


def part_name(number: int, sha256: str | None) -> str:
    return f"{number:05d}.{file_name(new_id(), sha256)}"


def pack_name(pack: str) -> str:
    return f"{pack}.pack"


def pack_of(name: str) -> str | None:
    match = _PACK_NAME.fullmatch(name)
    return match and match[1]


def is_upload(token: str) -> bool:
    return _UPLOAD.fullmatch(token) is not None


def is_file_name(name: str) -> bool:
    return _FILE_NAME.fullmatch(name) is not None


def is_part_name(name: str) -> bool:
    return _PART_NAME.fullmatch(name) is not None


def sha256_of(name: str) -> str | None:
    """The digest a file's name tells."""
    match = _FILE_NAME.fullmatch(name)
    return match and match[2]


class Tree:
    """The store's directories, held open from `Tree.open` to `close`."""

    def __init__(self, root: int, packs: int, blobs: int, uploads: int, tmp: int) -> None:
        self.root, self.packs, self.blobs, self.uploads, self.tmp = root, packs, blobs, uploads, tmp
        self._durable_shards: set[tuple[int, str]] = set()

    @classmethod
    def open(cls, root: Path) -> Tree:
        """Open the directories, made and durable where they were missing. Raises OSError."""
        _make_durable(root)
        # Where the store is may well be told by a link: the operator's. Below it there are none.
        held = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
        try:
            for name in ("packs", "blobs", "uploads", "tmp"):
                _ensure(name, held[0])
                held.append(disk.open_directory(name, held[0]))
            disk.sync(held[0])
        except BaseException:
            for fd in held:
                disk.close(fd)
            raise
        return cls(*held)

    def close(self) -> None:
        for fd in (self.root, self.packs, self.blobs, self.uploads, self.tmp):
            disk.close(fd)

    def require_room(self, size: int | None) -> None:
        """Refuse early what cannot fit, with ENOSPC. Nothing is reserved: an announced size is only a claim."""
        if size is not None and size > self.free():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def free(self) -> int:
        status = os.fstatvfs(self.root)
        return status.f_bavail * status.f_frsize

    @contextmanager
    def shard(self, directory: int, identity: str, *, make: bool = False) -> Iterator[int]:
        """The directory under `blobs` or `uploads` that holds what is called `identity`.

        With `make` it is there, durably; without, FileNotFoundError tells that nothing of the kind was ever kept.
        """
        shard = identity[:2]
        if make and (directory, shard) not in self._durable_shards:
            _ensure(shard, directory)
            # Also where it was there: another process may just have made it, and not be through yet.
            disk.sync(directory)
            self._durable_shards.add((directory, shard))
        fd = disk.open_directory(shard, directory)
        try:
            yield fd
        finally:
            disk.close(fd)

    @contextmanager
    def upload(self, upload: str) -> Iterator[int]:
        """The directory of an upload. Raises FileNotFoundError when it is gone."""
        with self.shard(self.uploads, upload) as shard:
            fd = disk.open_directory(upload, shard)
        try:
            yield fd
        finally:
            disk.close(fd)

    def open_file(self, name: str) -> int:
        """Open a streamed blob's file for reading. Raises FileNotFoundError."""
        with self.shard(self.blobs, name) as shard:
            return disk.open_for_reading(name, shard)

    def shards(self, directory: int) -> Iterator[int]:
        """Each shard of `blobs` or `uploads` in turn."""
        for name in disk.names(directory):
            if _SHARD.fullmatch(name):
                with self.shard(directory, name) as fd:
                    yield fd


def _ensure(name: str, dir_fd: int) -> None:
    with suppress(FileExistsError):
        disk.make_directory(name, dir_fd)


def _make_durable(root: Path) -> None:
    root = root.absolute()
    missing = [directory for directory in (root, *root.parents) if not directory.exists()]
    for directory in reversed(missing):
        parent = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _ensure(directory.name, parent)
            disk.sync(parent)
        finally:
            disk.close(parent)
