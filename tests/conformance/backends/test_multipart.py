"""What every store promises of uploads in parts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from backends.store import BlobNotFoundError, BlobStore, StoreCorruptError, StoredPart, UploadGoneError
from tests.conformance.backends.blobs import contents, in_parts, send_part, sent_from_files, streamed, walked


async def test_parts_in_any_order_make_a_blob(store: BlobStore) -> None:
    sizes = {3: 1, 1: 70_000, 4: 0, 2: 2 * 1024 * 1024, 10_000: 5}
    data = {number: os.urandom(size) for number, size in sizes.items()}
    upload = await store.create_multipart()
    parts = [await send_part(store, upload, number, data[number]) for number in data]
    parts.sort(key=lambda part: part.number)
    key = await store.complete_multipart(upload, parts)
    whole = b"".join(data[number] for number in sorted(data))
    assert await contents(store, key) == whole
    assert await store.read(key, 69_990, 70_010) == whole[69_990:70_010]
    assert {size for size, _ in (await walked(store)).values()} == {len(whole)}


async def test_parts_may_come_at_once(store: BlobStore) -> None:
    upload = await store.create_multipart()
    data = [os.urandom(10_000) for _ in range(40)]
    parts = await asyncio.gather(*(send_part(store, upload, number, each) for number, each in enumerate(data, 1)))
    assert await contents(store, await store.complete_multipart(upload, parts)) == b"".join(data)


async def test_an_open_upload_is_no_blob(store: BlobStore) -> None:
    upload = await store.create_multipart()
    part = await send_part(store, upload, 1, b"part")
    assert await walked(store) == {}
    for key in (upload, part.key, f"m.{upload}"):
        with pytest.raises(BlobNotFoundError):
            await store.read(key, 0, 1)
        with pytest.raises(BlobNotFoundError):
            await store.open_blob(key)
        await store.delete([key])
    assert await contents(store, await store.complete_multipart(upload, [part])) == b"part"


async def test_a_number_sent_again_is_another_part(store: BlobStore) -> None:
    upload = await store.create_multipart()
    first = await send_part(store, upload, 1, b"first try")
    second = await send_part(store, upload, 1, b"second try")
    last = await send_part(store, upload, 2, b", end")
    assert first.key != second.key
    key = await store.complete_multipart(upload, [second, last])
    assert await contents(store, key) == b"second try, end"


async def test_complete_twice_is_complete_once(store: BlobStore) -> None:
    upload = await store.create_multipart()
    parts = [await send_part(store, upload, number, b"x" * number) for number in (1, 2, 3)]
    keys = await asyncio.gather(*(store.complete_multipart(upload, parts[:2]) for _ in range(5)))
    keys.append(await store.complete_multipart(upload, parts[:2]))
    assert len(set(keys)) == 1
    assert await contents(store, keys[0]) == b"xxx"
    assert set(await walked(store)) == {keys[0]}


async def test_complete_with_other_parts_is_refused(store: BlobStore) -> None:
    upload = await store.create_multipart()
    parts = [await send_part(store, upload, number, b"x" * number) for number in (1, 2)]
    key = await store.complete_multipart(upload, parts)
    for others in (parts[:1], parts[::-1], []):
        with pytest.raises(UploadGoneError):
            await store.complete_multipart(upload, others)
    assert await contents(store, key) == b"xxx"


async def test_a_part_after_the_end_is_refused(store: BlobStore) -> None:
    for end in ("complete", "abort"):
        upload = await store.create_multipart()
        part = await send_part(store, upload, 1, b"one")
        late = store.create_part(upload, 2)
        await late.write([b"late"])
        if end == "complete":
            await store.complete_multipart(upload, [part])
        else:
            await store.abort_multipart(upload)
        with pytest.raises(UploadGoneError):
            await late.commit()
        await late.abort()
        with pytest.raises(UploadGoneError):
            await send_part(store, upload, 3, b"later still")


async def test_a_part_that_is_not_there(store: BlobStore) -> None:
    upload, other = await store.create_multipart(), await store.create_multipart()
    part = await send_part(store, upload, 1, b"mine")
    foreign = await send_part(store, other, 1, b"other")
    made_up = [f"{upload}.00001.{'0' * 32}", f"{upload}.../../outcome", "outcome", "", "../x", "\0", "x" * 1000]
    for key in (foreign.key, *made_up):
        with pytest.raises(BlobNotFoundError):
            await store.complete_multipart(upload, [part, StoredPart(2, key, 5)])
    with pytest.raises(StoreCorruptError):
        await store.complete_multipart(upload, [StoredPart(1, part.key, 5)])
    assert await contents(store, await store.complete_multipart(upload, [part])) == b"mine"


async def test_abort(store: BlobStore) -> None:
    upload = await store.create_multipart()
    part = await send_part(store, upload, 1, b"one")
    await store.abort_multipart(upload)
    await store.abort_multipart(upload)
    with pytest.raises(UploadGoneError):
        await store.complete_multipart(upload, [part])
    assert await walked(store) == {}


async def test_abort_leaves_a_completed_upload_alone(store: BlobStore) -> None:
    upload = await store.create_multipart()
    part = await send_part(store, upload, 1, b"one")
    key = await store.complete_multipart(upload, [part])
    await store.abort_multipart(upload)
    assert await contents(store, key) == b"one"


async def test_complete_and_abort_at_once_agree(store: BlobStore) -> None:
    for _ in range(20):
        upload = await store.create_multipart()
        part = await send_part(store, upload, 1, b"one")
        completed, _ = await asyncio.gather(
            store.complete_multipart(upload, [part]), store.abort_multipart(upload), return_exceptions=True
        )
        if isinstance(completed, UploadGoneError):
            assert await walked(store) == {}
        else:
            assert isinstance(completed, str)
            assert await contents(store, completed) == b"one"
            await store.delete([completed])


async def test_a_made_up_upload(store: BlobStore) -> None:
    for upload in ("", "..", "../../tmp", "0" * 32, "0" * 31 + "\0", "upload-0", "/", "a" * 5000):
        with pytest.raises(UploadGoneError):
            await send_part(store, upload, 1, b"x")
        with pytest.raises(UploadGoneError):
            await store.complete_multipart(upload, [])
        await store.abort_multipart(upload)


async def test_abort_and_cancel_of_a_part_leave_nothing(store: BlobStore) -> None:
    upload = await store.create_multipart()
    writer = store.create_part(upload, 1)
    await writer.write([bytes(100_000)])
    await writer.abort()
    task = asyncio.ensure_future(send_part(store, upload, 1, bytes(1000)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    part = await send_part(store, upload, 1, b"one")
    assert await contents(store, await store.complete_multipart(upload, [part])) == b"one"


async def test_a_thousand_parts_with_few_descriptors(store: BlobStore) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    data = [os.urandom(100 + number % 50) for number in range(1000)]
    whole = b"".join(data)
    before = descriptors()
    key = await in_parts(store, *data)
    reader = await store.open_blob(key)
    most = 0
    read = b""
    async for piece in reader.stream(0, reader.size):
        read += piece
        most = max(most, descriptors())
    assert read == whole
    assert sent_from_files(reader, 0, reader.size) in {whole, None}
    assert max(most, descriptors()) - before <= 24
    assert await streamed(reader, 50_000, 50_001) == whole[50_000:50_001]
    await reader.close()
    assert descriptors() <= before + 1
    assert await store.read(key, 3, len(whole) - 3) == whole[3:-3]
    await store.delete([key])
    assert await walked(store) == {}
