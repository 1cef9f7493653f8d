"""A blob that is read from memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

from backends.store import Buffer, StoreCorruptError

PIECE = 1 << 20
"""Largest piece a stream yields, in bytes."""


def beyond_end(size: int, stop: int) -> StoreCorruptError:
    """What a blob shorter than its row makes of a read: the asker knows the size it should have."""
    return StoreCorruptError(f"a blob of {size} bytes was asked for bytes up to {stop}")


class HeldBlob:
    """A reader of bytes already in hand."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def extents(self, start: int, stop: int) -> None:
        """There is no file to send from."""

    async def stream(self, start: int, stop: int) -> AsyncIterator[Buffer]:
        if stop > self.size:
            raise beyond_end(self.size, stop)
        view = memoryview(self._data)
        for offset in range(start, stop, PIECE):
            yield view[offset : min(offset + PIECE, stop)]

    async def close(self) -> None:
        """Nothing is open."""
