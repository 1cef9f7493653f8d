"""How the tests write and read blobs, whatever the store."""

from __future__ import annotations

import asyncio
import hashlib
import os

from backends.store import BlobReader, BlobStore, StoredPart


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pieces(data: bytes, size: int = 100_000) -> list[memoryview]:
    """The data as it comes from a network: views of odd lengths."""
    view = memoryview(data)
    return [view[start : start + size] for start in range(0, len(data), size)]


async def put(store: BlobStore, data: bytes) -> str:
    return await store.put(pieces(data, 1000), len(data), sha256(data))


async def stream_in(store: BlobStore, data: bytes, *, digest: bool = True) -> str:
    writer = store.create(len(data))
    buffers = pieces(data)
    for start in range(0, len(buffers), 5):
        await writer.write(buffers[start : start + 5])
    return await writer.commit(sha256(data) if digest else None)


async def send_part(store: BlobStore, upload: str, number: int, data: bytes) -> StoredPart:
    writer = store.create_part(upload, number, len(data))
    await writer.write([data])
    return StoredPart(number, await writer.commit(sha256(data)), len(data))


async def in_parts(store: BlobStore, *contents: bytes) -> str:
    upload = await store.create_multipart()
    parts: list[StoredPart] = []
    for first in range(0, len(contents), 16):
        numbered = enumerate(contents[first : first + 16], first + 1)
        parts += await asyncio.gather(*(send_part(store, upload, number, data) for number, data in numbered))
    return await store.complete_multipart(upload, parts)


async def streamed(reader: BlobReader, start: int, stop: int) -> bytes:
    return b"".join([bytes(piece) async for piece in reader.stream(start, stop)])


def sent_from_files(reader: BlobReader, start: int, stop: int) -> bytes | None:
    """Bytes [start, stop) by way of extents; None where the blob has none."""
    found = []
    while start < stop:
        extents = reader.extents(start, stop)
        if extents is None:
            return None
        assert extents, "a window is never empty before the end"
        for extent in extents:
            assert 0 < extent.length <= stop - start
            found.append(os.pread(extent.fd, extent.length, extent.offset))
            start += extent.length
    return b"".join(found)


async def contents(store: BlobStore, key: str) -> bytes:
    reader = await store.open_blob(key)
    try:
        return await streamed(reader, 0, reader.size)
    finally:
        await reader.close()


async def walked(store: BlobStore) -> dict[str, tuple[int, str | None]]:
    blobs = [blob async for blob in store.walk()]
    found = {blob.key: (blob.size, blob.sha256) for blob in blobs}
    assert len(found) == len(blobs), "a blob is listed once"
    return found
