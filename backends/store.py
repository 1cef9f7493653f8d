"""The one interface between the registry and any place that keeps bytes.

A store holds *blobs*: immutable byte strings known by an opaque *storage key* that the store itself
chooses, never reuses and never derives from anything a client sent. The store names the bytes, so it
is free to put many small blobs into one file, or a large one into many.

The guarantee that everything above rests on: when a call that returns a storage key returns, the bytes
survive a crash of the process and of the machine. Until then nothing is promised and nothing is
visible; what a crash leaves behind is at most bytes that no row names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

Buffer: TypeAlias = bytes | bytearray | memoryview
Buffers: TypeAlias = Sequence[Buffer]
"""Pieces of one stretch of bytes, in order; handed on as they came so that no layer copies them."""


class StoreError(Exception):
    """Something a store could not do. `reason` is fit to be shown to an operator, never holds a secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BlobNotFoundError(StoreError):
    """No blob has this storage key."""


class StoreFullError(StoreError):
    """No room: disk full, quota of the file system or of the backend. Nothing was changed."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached or refuses to write just now. Worth a retry later."""


class StoreCorruptError(StoreError):
    """The store's bytes contradict its own records (a short file, a broken index)."""


class UploadGoneError(StoreError):
    """The multipart upload was aborted, or never was."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of an open file that holds a stretch of a blob: what `sendfile` takes."""

    fd: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part of a multipart upload as the store keeps it."""

    number: int
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """What a walk over the store finds: used by reconcile, never on the path of a request."""

    key: str
    size: int
    modified_at: float
    sha256: str | None


class BlobWriter(Protocol):
    """A stream on its way into the store. Exactly one of `commit` and `abort` ends it; both are final."""

    async def write(self, buffers: Buffers) -> None:
        """Append the buffers. The caller leaves them unchanged until this returns."""

    async def commit(self, sha256: str | None = None) -> str:
        """Make everything written durable and return its storage key (for a part: its part key).

        `sha256` (hex, of everything written) is recorded beside the bytes where the store can.
        """

    async def abort(self) -> None:
        """Forget what was written. Never raises for bytes that are already gone."""


class BlobReader(Protocol):
    """An open blob. Reading goes on unharmed even if the blob is deleted meanwhile."""

    size: int

    def extents(self, start: int, stop: int) -> Sequence[Extent] | None:
        """The beginning of bytes [start, stop) as stretches of open local files, or None where there are none.

        A blob of many files gives a window of them: where the stretches end before `stop`, ask again
        from there. The descriptors stay valid until the next call, of `stream` too, or `close`: one use
        at a time.
        """

    def stream(self, start: int, stop: int) -> AsyncIterator[Buffer]:
        """Bytes [start, stop) in pieces of at most 1 MiB. Never ends short: raises instead."""

    async def close(self) -> None:
        """Let go of what the blob holds open."""


@runtime_checkable
class BlobStore(Protocol):
    """A place that keeps blobs. Every method raises only `StoreError`s (and `CancelledError`)."""

    name: str

    async def open(self) -> None:
        """Make ready; creates what is missing. Raises with one clear line when the store is unusable."""

    async def close(self) -> None:
        """Finish what is in flight and let go."""

    async def probe(self) -> None:
        """Prove that the store works by writing, reading back and deleting a few bytes."""

    async def put(self, buffers: Buffers, size: int, sha256: str) -> str:
        """Store a small blob (at most `SMALL` bytes) whole and return its storage key.

        Many concurrent callers may share one flush to disk.
        """

    def create(self, size: int | None = None) -> BlobWriter:
        """Begin a stream. `size`, where known, lets the store reserve room early."""

    async def read(self, key: str, start: int, stop: int) -> bytes:
        """Bytes [start, stop) of a blob at once; for stretches of at most 1 MiB."""

    async def open_blob(self, key: str) -> BlobReader:
        """Open a blob for reading. Raises BlobNotFoundError."""

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove blobs. A key that is not there is not an error. Readers that are open go on."""

    def walk(self) -> AsyncIterator[StoredBlob]:
        """Every blob whose bytes are durable and complete, in no order; for reconcile."""

    async def create_multipart(self) -> str:
        """Begin an upload in parts; the returned token names it in the calls below."""

    def create_part(self, upload: str, number: int, size: int | None = None) -> BlobWriter:
        """Begin part `number` (1..10000). Its `commit` returns a part key; a number sent again gets a
        new key, and the earlier part stays until the upload ends."""

    async def complete_multipart(self, upload: str, parts: Sequence[StoredPart]) -> str:
        """Make one blob of the parts, in the order given, without copying their bytes; durable on return.

        Parts not named are dropped. Idempotent: the same parts again give the same storage key, so
        that a crash between this call and the registry's commit can be repeated.
        """

    async def abort_multipart(self, upload: str) -> None:
        """Drop the upload and its parts. Idempotent; a completed upload is left alone."""

    async def usage(self) -> StoreUsage:
        """Room taken and room left, in bytes, where the store knows."""


@dataclass(frozen=True, slots=True)
class StoreUsage:
    """Room in a store, in bytes; None where the store cannot tell."""

    used: int | None
    free: int | None


SMALL = 64 * 1024
"""Up to this many bytes a body is held in memory and stored by one `put`."""
