"""What every store promises of whole blobs."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from backends.store import SMALL, BlobNotFoundError, BlobStore, StoreCorruptError
from tests.conformance.backends.blobs import (
    contents,
    in_parts,
    put,
    sent_from_files,
    sha256,
    stream_in,
    streamed,
    walked,
)

BIG = 5 * 1024 * 1024 + 3


def test_satisfies_the_protocol(store: BlobStore) -> None:
    assert isinstance(store, BlobStore)
    assert store.name == "default"


@pytest.mark.parametrize("size", [0, 1, 63, 64, 4096, SMALL])
async def test_put_comes_back(store: BlobStore, size: int) -> None:
    data = os.urandom(size)
    key = await put(store, data)
    assert await store.read(key, 0, size) == data
    assert await contents(store, key) == data
    assert await walked(store) == {key: (size, sha256(data))}


@pytest.mark.parametrize("size", [0, 1, 4096, SMALL, SMALL + 1, BIG])
async def test_stream_comes_back(store: BlobStore, size: int) -> None:
    data = os.urandom(size)
    key = await stream_in(store, data)
    assert await store.read(key, 0, min(size, 1 << 20)) == data[: 1 << 20]
    assert await contents(store, key) == data
    assert await walked(store) == {key: (size, sha256(data))}


async def test_a_stream_of_thousands_of_buffers_comes_back(store: BlobStore) -> None:
    data = os.urandom(50_000)
    writer = store.create()
    await writer.write([data[start : start + 7] for start in range(0, len(data), 7)])
    await writer.write([])
    await writer.write([b"", b"end", b""])
    assert await contents(store, await writer.commit()) == data + b"end"


async def test_digest_is_optional(store: BlobStore) -> None:
    key = await stream_in(store, b"no digest", digest=False)
    assert await contents(store, key) == b"no digest"
    assert await walked(store) == {key: (9, None)}


@pytest.mark.parametrize(("size", "given"), [(SMALL + 1, SMALL + 1), (10, 9), (9, 10)])
async def test_put_refuses_what_it_cannot_hold(store: BlobStore, size: int, given: int) -> None:
    data = os.urandom(given)
    with pytest.raises(ValueError, match="put takes at most"):
        await store.put([data], size, sha256(data))
    assert await walked(store) == {}


async def test_the_same_bytes_get_a_fresh_key_each_time(store: BlobStore) -> None:
    keys = [await put(store, b"same") for _ in range(3)] + [await stream_in(store, b"same") for _ in range(3)]
    assert len(set(keys)) == 6
    await store.delete(keys[:1])
    assert await put(store, b"same") not in keys


async def test_hundreds_at_once(store: BlobStore) -> None:
    blobs = [os.urandom(number * 7) for number in range(300)]
    keys = await asyncio.gather(*(put(store, blob) for blob in blobs))
    assert len(set(keys)) == len(keys)
    assert [await store.read(key, 0, len(blob)) for key, blob in zip(keys, blobs, strict=True)] == blobs
    assert await walked(store) == {key: (len(blob), sha256(blob)) for key, blob in zip(keys, blobs, strict=True)}


RANGES = [(0, 1), (0, 0), (1, 1), (17, 4099), (4095, 4097), (49_999, 50_000), (0, 50_000), (50_000, 50_000)]


@pytest.mark.parametrize("kind", ["put", "stream", "parts"])
async def test_ranges(store: BlobStore, kind: str) -> None:
    data = os.urandom(50_000)
    key = await _stored(store, kind, data)
    reader = await store.open_blob(key)
    assert reader.size == len(data)
    for start, stop in RANGES:
        assert await store.read(key, start, stop) == data[start:stop]
        assert await streamed(reader, start, stop) == data[start:stop]
        assert sent_from_files(reader, start, stop) in {data[start:stop], None}
    await reader.close()


@pytest.mark.parametrize("kind", ["put", "stream", "parts"])
async def test_a_range_past_the_end_raises_rather_than_end_short(store: BlobStore, kind: str) -> None:
    key = await _stored(store, kind, b"x" * 1000)
    with pytest.raises(StoreCorruptError):
        await store.read(key, 990, 1001)
    reader = await store.open_blob(key)
    with pytest.raises(StoreCorruptError):
        await streamed(reader, 990, 1001)
    await reader.close()


async def test_stream_yields_pieces_of_at_most_a_mebibyte(store: BlobStore) -> None:
    key = await stream_in(store, bytes(BIG))
    reader = await store.open_blob(key)
    sizes = [len(piece) async for piece in reader.stream(1, BIG)]
    await reader.close()
    assert max(sizes) <= 1 << 20
    assert sum(sizes) == BIG - 1


async def test_abort_leaves_nothing(store: BlobStore) -> None:
    writer = store.create()
    await writer.write([bytes(100_000)])
    await writer.abort()
    await store.create().abort()
    assert await walked(store) == {}


async def test_nothing_shows_before_commit(store: BlobStore) -> None:
    writer = store.create()
    await writer.write([bytes(100_000)])
    assert await walked(store) == {}
    await writer.commit()
    assert len(await walked(store)) == 1


@pytest.mark.parametrize("wait", range(8))
async def test_a_cancelled_stream_leaves_nothing(store: BlobStore, wait: int) -> None:
    committed = set()
    writer = store.create()

    async def write() -> None:
        for _ in range(2):
            await writer.write([bytes(100_000)])
        committed.add(await writer.commit())

    task = asyncio.ensure_future(write())
    for _ in range(wait):
        await asyncio.sleep(0.0002)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if not committed:
        await writer.abort()
    assert set(await walked(store)) == committed


async def test_a_cancelled_put_leaves_nothing(store: BlobStore) -> None:
    tasks = [asyncio.ensure_future(put(store, bytes(1000))) for _ in range(50)]
    kept = await asyncio.gather(*(put(store, b"kept") for _ in range(5)))
    late = [asyncio.ensure_future(put(store, bytes(1000))) for _ in range(50)]
    await asyncio.sleep(0)
    for task in late:
        task.cancel()
    keys = [await task for task in tasks]
    done = [result for result in await asyncio.gather(*late, return_exceptions=True) if isinstance(result, str)]
    await _until_walk_shows(store, {*kept, *keys, *done})


@pytest.mark.parametrize("kind", ["put", "stream", "parts"])
async def test_a_reader_survives_the_deletion(store: BlobStore, kind: str) -> None:
    data = os.urandom(60_000)
    key = await _stored(store, kind, data)
    readers = [await store.open_blob(key) for _ in range(2)]
    await store.delete([key])
    for reader in readers:
        assert await streamed(reader, 0, len(data)) == data
        assert sent_from_files(reader, 5, len(data)) in {data[5:], None}
        await reader.close()
    with pytest.raises(BlobNotFoundError):
        await store.open_blob(key)


@pytest.mark.parametrize("kind", ["put", "stream", "parts"])
async def test_deleting(store: BlobStore, kind: str) -> None:
    keys = [await _stored(store, kind, os.urandom(5000)) for _ in range(4)]
    await store.delete(keys[1:3])
    await store.delete([keys[1], *keys[1:3]])
    for key in keys[1:3]:
        with pytest.raises(BlobNotFoundError):
            await store.read(key, 0, 5000)
        with pytest.raises(BlobNotFoundError):
            await store.read(key, 0, 0)
        with pytest.raises(BlobNotFoundError):
            await store.open_blob(key)
    assert set(await walked(store)) == {keys[0], keys[3]}
    assert [len(await contents(store, key)) for key in (keys[0], keys[3])] == [5000, 5000]
    await store.delete([])


MADE_UP = [
    "",
    "/",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "f.../../../../etc/passwd",
    "f.%2e%2e%2f",
    "f." + "0" * 32,
    "f." + "0" * 32 + "." + "0" * 64,
    "f." + "0" * 32 + "/../" + "0" * 32,
    "f." + "0" * 32 + "\0",
    "f." + "0" * 32 + "\n",
    "f." + "\u0661" * 32,
    "f." + "0" * 31 + "A",
    "p." + "0" * 32 + ".0.0",
    "p." + "0" * 32 + ".-1.10",
    "p." + "0" * 32 + ".00.10",
    "p." + "0" * 32 + "." + "f" * 40 + ".1",
    "m." + "0" * 32,
    "m.",
    "x" * 10_000,
    "\0",
    "\ud800",
    "memory-0",
]


async def test_a_made_up_key_names_nothing(store: BlobStore) -> None:
    for key in MADE_UP:
        with pytest.raises(BlobNotFoundError):
            await store.read(key, 0, 10)
        with pytest.raises(BlobNotFoundError):
            await store.open_blob(key)
        await store.delete([key])
    kept = await put(store, b"kept")
    await store.delete(MADE_UP)
    assert set(await walked(store)) == {kept}


async def test_probe_leaves_nothing(store: BlobStore) -> None:
    await store.probe()
    assert await walked(store) == {}


async def test_usage_tells_numbers_or_nothing(store: BlobStore) -> None:
    await stream_in(store, bytes(100_000))
    usage = await store.usage()
    assert usage.used is None or usage.used >= 100_000
    assert usage.free is None or usage.free > 0


async def test_walk_tells_when(store: BlobStore) -> None:
    before = time.time()
    for kind in ("put", "stream", "parts"):
        await _stored(store, kind, b"now")
    # The clock of a file system ticks coarsely.
    assert all([before - 1 < blob.modified_at < time.time() + 1 async for blob in store.walk()])


async def test_walk_goes_on_while_blobs_come_and_go(store: BlobStore) -> None:
    stay = {await put(store, os.urandom(100)) for _ in range(300)} | {await stream_in(store, b"s") for _ in range(20)}
    go = [await put(store, os.urandom(100)) for _ in range(300)] + [await stream_in(store, b"g") for _ in range(20)]
    seen = set()
    async for blob in store.walk():
        seen.add(blob.key)
        if go:
            await store.delete([go.pop(), *go[:1]])
    assert stay <= seen


async def _stored(store: BlobStore, kind: str, data: bytes) -> str:
    if kind == "put":
        return await put(store, data)
    if kind == "stream":
        return await stream_in(store, data)
    third = len(data) // 3
    return await in_parts(store, data[:third], b"", data[third : third + 1], data[third + 1 :])


async def _until_walk_shows(store: BlobStore, keys: set[str]) -> None:
    async with asyncio.timeout(10):
        while set(await walked(store)) != keys:
            await asyncio.sleep(0.01)
