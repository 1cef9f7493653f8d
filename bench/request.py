"""Prebuilt requests: what the load client sends."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

UNIQUE = 16
"""Bytes at the end of every body that no other body has, so that no two bodies are the same."""

MIB = 1 << 20

_RECORD = struct.Struct("<IIQ")


@dataclass(frozen=True, slots=True)
class Body:
    """`size` bytes: the beginning of the filler, then `unique`."""

    filler: Path
    size: int
    unique: bytes

    @classmethod
    def fresh(cls, filler: Path, size: int) -> Body:
        return cls(filler, size, os.urandom(UNIQUE))

    @property
    def fill(self) -> int:
        return self.size - len(self.unique)

    def sha256(self) -> str:
        digest = _filler_sha256(self.filler, self.fill).copy()
        digest.update(self.unique)
        return digest.hexdigest()


@lru_cache(maxsize=16)
def _filler_sha256(filler: Path, length: int) -> _Hash:
    digest = sha256()
    with filler.open("rb") as file:
        while length:
            piece = file.read(min(length, MIB))
            digest.update(piece)
            length -= len(piece)
    return digest


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it goes over the wire: `head` up to and with the empty line, then `body`."""

    head: bytes
    body: Body | None = None

    @classmethod
    def of(cls, method: str, target: str, headers: Iterable[tuple[str, str]], body: Body | None = None) -> Request:
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
        return cls("\r\n".join(lines).encode("ascii"), body)


def write_filler(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(0, size, MIB):
            file.write(os.urandom(MIB))


def write_requests(path: Path, requests: Iterable[Request]) -> None:
    """Writes the record file that load.c reads."""
    with path.open("wb") as file:
        file.writelines(_records(requests))


def _records(requests: Iterable[Request]) -> Iterator[bytes]:
    for request in requests:
        fill, tail = (request.body.fill, request.body.unique) if request.body else (0, b"")
        yield _RECORD.pack(len(request.head), len(tail), fill)
        yield request.head
        yield tail
