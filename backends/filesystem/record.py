"""A record: one small blob in a pack, behind a header that tells what it is.

    offset  size  field
    0       4     magic "ASP1"
    4       4     span: bytes from this header to the next one
    8       4     size of the blob
    12      4     batch: records with the same number were flushed together, the next number only afterwards
    16      8     when it was written, microseconds since the epoch
    24      32    SHA-256 of the blob
    56      4     CRC-32 of the above, begun with the pack's id
    60      1     state: L live, D dead
    61      3     zero
    64            the blob, then zeros up to a multiple of 64

Little-endian. Headers lie at multiples of 64, so that none straddles a disk sector: rewriting one is
all or nothing. Death is one byte outside the checksum, so a reader in the middle of it sees one or the
other. The span of a dead record may grow over dead neighbours behind it, whose room is then given back.
The pack's id, which no client learns, keeps bytes made to look like a header from passing for one.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

ALIGNMENT = 64
HEADER = 64
STATE_AT = 60
LIVE, DEAD = b"L", b"D"

_MAGIC = b"ASP1"
_FIELDS = struct.Struct("<4sIIIQ32s")
_TAIL = struct.Struct("<Ic3x")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    span: int
    size: int
    batch: int
    written_at: int
    sha256: bytes
    dead: bool = False


def seed_of(pack: str) -> int:
    """What the checksums of a pack's headers begin with."""
    return zlib.crc32(bytes.fromhex(pack))


def span_of(size: int) -> int:
    return -(-(HEADER + size) // ALIGNMENT) * ALIGNMENT


def encode(record: Record, seed: int) -> bytes:
    fields = _FIELDS.pack(_MAGIC, record.span, record.size, record.batch, record.written_at, record.sha256)
    return fields + _TAIL.pack(zlib.crc32(fields, seed), DEAD if record.dead else LIVE)


def decode(header: bytes, seed: int) -> Record | None:
    """The record a header tells of; None when these 64 bytes are no header of this pack."""
    if len(header) != HEADER:
        return None
    crc, state = _TAIL.unpack_from(header, _FIELDS.size)
    if zlib.crc32(header[: _FIELDS.size], seed) != crc or state not in {LIVE, DEAD}:
        return None
    magic, span, size, batch, written_at, sha256 = _FIELDS.unpack_from(header)
    if magic != _MAGIC:
        return None
    return Record(span, size, batch, written_at, sha256, dead=state == DEAD)


def at(fd: int, offset: int, seed: int) -> Record | None:
    return decode(os.pread(fd, HEADER, offset), seed)


def chain(fd: int, seed: int, offset: int = 0) -> Iterator[tuple[int, Record]]:
    """Records one after the other, up to the first place where there is none: the end, or a torn tail."""
    while (record := at(fd, offset, seed)) is not None:
        yield offset, record
        offset += record.span


def every(fd: int, seed: int) -> Iterator[tuple[int, Record]]:
    """All records of a pack, also those behind a damaged header."""
    offset: int | None = 0
    while offset is not None:
        for found, record in chain(fd, seed, offset):
            yield found, record
            offset = found + record.span
        offset = _next(fd, seed, offset)


def _next(fd: int, seed: int, offset: int) -> int | None:
    while chunk := os.pread(fd, _CHUNK, offset):
        found = chunk.find(_MAGIC)
        while found >= 0:
            if found % ALIGNMENT == 0 and decode(chunk[found : found + HEADER], seed) is not None:
                return offset + found
            found = chunk.find(_MAGIC, found + 1)
        offset += len(chunk)
    return None
