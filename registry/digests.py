"""Digests of a stream of bytes, by S3's names: SHA256, MD5, and the checksum the sender asked for."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from awscrt import checksums  # type: ignore[import-untyped] # ships no types

from backends.store import Buffer, Buffers


class _Hash(Protocol):
    def update(self, data: Buffer, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic redundancy check in the clothes of a hashlib hash; the digest is big-endian, as S3 has it."""

    __slots__ = ("_step", "_value", "_width")

    def __init__(self, step: Callable[[Buffer, int], int], width: int) -> None:
        self._step = step
        self._width = width
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")


_ALGORITHMS: dict[str, Callable[[], _Hash]] = {
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    # zlib's CRC32 is faster than awscrt's; the other way round there is no zlib.
    "CRC32": lambda: _Crc(zlib.crc32, 4),
    "CRC32C": lambda: _Crc(checksums.crc32c, 4),
    "CRC64NVME": lambda: _Crc(checksums.crc64nvme, 8),
}

CHECKSUM_SIZES: dict[str, int] = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}
"""The checksums S3 clients may ask for, and how many bytes each has."""


class Digests:
    """SHA256 and MD5 of a stream, and whatever checksums are named beside them (names in any case).

    `update` may run in a thread: it lets go of the interpreter while it hashes. One call at a time.
    """

    __slots__ = ("_hashes", "size")

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Raises KeyError for an algorithm there is not."""
        wanted = dict.fromkeys(("SHA256", "MD5", *(name.upper() for name in names)))
        self._hashes = {name: _ALGORITHMS[name]() for name in wanted}
        self.size = 0
        """Bytes seen so far."""

    def update(self, buffers: Buffers) -> None:
        """Take in one batch, in order."""
        for buffer in buffers:
            self.size += len(buffer)
            for digest in self._hashes.values():
                digest.update(buffer)

    def raw(self, name: str) -> bytes:
        """The digest so far. Raises KeyError for one that was not asked for."""
        return self._hashes[name.upper()].digest()

    def hexdigest(self, name: str) -> str:
        return self.raw(name).hex()

    def base64(self, name: str) -> str:
        """As S3 writes checksums and Content-MD5."""
        return base64.b64encode(self.raw(name)).decode()


def composite(name: str, parts: Sequence[bytes]) -> str:
    """S3's checksum of checksums of a multipart upload: base64 of the digest over the parts' raw digests, and `-N`."""
    digest = _ALGORITHMS[name.upper()]()
    digest.update(b"".join(parts))
    return f"{base64.b64encode(digest.digest()).decode()}-{len(parts)}"
