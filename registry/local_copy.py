"""A local copy of a package, compared with its manifest: offline, trusting no server."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from io import BufferedReader
from pathlib import Path

from registry.manifest import Manifest, ManifestFile
from registry.names import RESERVED_SEGMENT


class Kind(StrEnum):
    MISSING = "missing"
    EXTRA = "extra"
    SIZE = "size"
    DIGEST = "digest"
    NOT_A_FILE = "not-a-file"
    """A directory, link or device stands where a file should."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which the copy is not what the manifest says."""

    path: str
    kind: Kind
    expected: str | None = None
    actual: str | None = None

    def __str__(self) -> str:
        match self.kind:
            case Kind.MISSING:
                return f"{self.path}: missing"
            case Kind.EXTRA:
                return f"{self.path}: not in the manifest"
            case Kind.SIZE:
                return f"{self.path}: {self.actual} bytes, the manifest says {self.expected}"
            case Kind.DIGEST:
                return f"{self.path}: SHA-256 is {self.actual}, the manifest says {self.expected}"
            case Kind.NOT_A_FILE:
                return f"{self.path}: {self.actual}, not a regular file"
            case Kind.UNREADABLE:
                return f"{self.path}: cannot be read: {self.actual}"


def verify_directory(
    directory: Path, manifest: Manifest, *, progress: Callable[[ManifestFile], None] | None = None
) -> list[Difference]:
    """Every difference between the directory and the manifest, in byte order of paths; empty: the copy is true.

    The size is compared first, so a truncated file costs no reading. Files are hashed on all cores, a bounded
    number of bytes at a time, and never through a symbolic link or a `..` out of the directory. `progress` is
    called once per file of the manifest, in order. Raises NotADirectoryError if the directory is none.
    """
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is not a directory")
    found: list[Difference] = []
    in_order = sorted(manifest.files)
    with ThreadPoolExecutor() as threads:
        for file, difference in zip(in_order, threads.map(partial(_compare, directory), in_order), strict=True):
            if difference:
                found.append(difference)
            if progress:
                progress(file)
    expected = {file.path for file in manifest.files}
    found.extend(Difference(path, Kind.EXTRA) for path in _walk(directory) if path not in expected)
    return sorted(found, key=lambda difference: difference.path)


def _compare(directory: Path, file: ManifestFile) -> Difference | None:
    try:
        with _open(directory, file.path) as opened:
            size = os.fstat(opened.fileno()).st_size
            if size != file.size:
                return Difference(file.path, Kind.SIZE, str(file.size), str(size))
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return Difference(file.path, Kind.MISSING)
    except _NotAFileError as error:
        return Difference(file.path, Kind.NOT_A_FILE, actual=str(error))
    except OSError as error:
        return Difference(file.path, Kind.UNREADABLE, actual=error.strerror or str(error))
    return None if digest == file.sha256 else Difference(file.path, Kind.DIGEST, file.sha256, digest)


class _NotAFileError(Exception):
    """What stands there instead of a file."""


def _open(directory: Path, path: str) -> BufferedReader:
    """Open a regular file, without waiting on a pipe and without following a link."""
    segments = path.split("/")
    if any(segment in ("", ".", "..") or "\x00" in segment for segment in segments):
        raise FileNotFoundError(path)  # no directory can hold a file of this name
    if link := _link_on_the_way(directory, segments):
        raise _NotAFileError(link)
    mode = (directory / path).lstat().st_mode
    if not stat.S_ISREG(mode):
        raise _NotAFileError(_what(mode))
    return os.fdopen(os.open(directory / path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _link_on_the_way(directory: Path, segments: list[str]) -> str | None:
    for depth in range(1, len(segments)):
        if (parent := directory.joinpath(*segments[:depth])).is_symlink():
            return f"below the symbolic link {parent.relative_to(directory).as_posix()}"
    return None


def _what(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a device, pipe or socket"


def _walk(directory: Path) -> Iterator[str]:
    """Every file of the directory (and every link, to whatever), relative, with `/`; the registry's own left out."""
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(directory / prefix) as entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if path != RESERVED_SEGMENT:
                        pending.append(path + "/")
                else:
                    yield os.fsencode(path).decode("utf-8", "backslashreplace")
