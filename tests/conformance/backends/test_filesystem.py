"""What only the filesystem store has: packs, links planted in its directory, several processes at once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from backends.filesystem import FilesystemStore, disk, group_commit, record
from backends.filesystem.draft import Draft
from backends.filesystem.layout import PackedKey, parse_key
from backends.store import (
    SMALL,
    BlobNotFoundError,
    StoreCorruptError,
    StoreError,
    StoreUnavailableError,
    UploadGoneError,
)
from tests.conformance.backends.blobs import contents, in_parts, put, send_part, sha256, stream_in, streamed, walked


def packs(root: Path) -> list[Path]:
    return sorted((root / "packs").iterdir())


def everything(root: Path) -> list[Path]:
    """All that is in the store but its own directories."""
    return sorted(path for path in root.rglob("*") if path.is_file() or len(path.name) == 32)


def packed(key: str) -> PackedKey:
    found = parse_key(key)
    assert isinstance(found, PackedKey)
    return found


def room(path: Path) -> int:
    return path.stat().st_blocks * 512


@pytest.fixture
async def another(root: Path, files: FilesystemStore) -> FilesystemStore:
    """The same directory as a second process has it open. Closed by the test, if at all."""
    made = FilesystemStore(root)
    await made.open()
    return made


# --- packs ---


async def test_waiting_blobs_share_a_flush(files: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes = []
    sync_data = disk.sync_data
    monkeypatch.setattr(disk, "sync_data", lambda fd: (flushes.append(fd), sync_data(fd)))
    keys = await asyncio.gather(*(put(files, b"x" * number) for number in range(500)))
    assert len(flushes) <= 20
    assert len({packed(key).pack for key in keys}) == 1


async def test_a_store_opened_again_has_everything_and_begins_a_new_pack(root: Path, files: FilesystemStore) -> None:
    keys = [await put(files, b"before"), await stream_in(files, b"stream"), await in_parts(files, b"pa", b"rts")]
    before = await walked(files)
    await files.close()
    sizes = {path: path.stat().st_size for path in packs(root)}
    again = FilesystemStore(root)
    await again.open()
    assert await walked(again) == before
    assert [await contents(again, key) for key in keys] == [b"before", b"stream", b"parts"]
    await put(again, b"after")
    assert {path: path.stat().st_size for path in packs(root) if path in sizes} == sizes
    assert len(packs(root)) == 2
    await again.close()


async def test_a_full_pack_is_sealed(root: Path, files: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "PACK_SIZE", 200_000)
    blobs = {await put(files, data): data for data in (os.urandom(SMALL) for _ in range(10))}
    assert len(packs(root)) == 3
    assert {key: await contents(files, key) for key in blobs} == blobs
    assert set(await walked(files)) == set(blobs)
    first = packed(next(iter(blobs))).pack
    await files.delete([key for key in blobs if packed(key).pack == first])
    assert f"{first}.pack" not in [path.name for path in packs(root)]


async def test_more_packs_than_descriptors(root: Path, files: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "PACK_SIZE", 1)
    monkeypatch.setattr("backends.filesystem.packs._OPEN_PACKS", 3)
    blobs = {await put(files, data): data for data in (os.urandom(100) for _ in range(10))}
    assert len(packs(root)) == 10
    for _ in range(2):
        assert {key: await files.read(key, 0, 100) for key in blobs} == blobs


async def test_deleting_gives_room_back(root: Path, files: FilesystemStore) -> None:
    keys = [await put(files, os.urandom(SMALL)) for _ in range(20)]
    [pack] = packs(root)
    before = room(pack)
    await files.delete(keys[:15])
    assert room(pack) < before - 14 * SMALL
    assert set(await walked(files)) == set(keys[15:])


async def test_room_of_tiny_neighbours_is_given_back_together(root: Path, files: FilesystemStore) -> None:
    blobs = [os.urandom(100) for _ in range(1000)]
    keys = await asyncio.gather(*(put(files, blob) for blob in blobs))
    [pack] = packs(root)
    before = room(pack)
    await files.delete(keys[10:990])
    assert room(pack) < before / 5
    kept = keys[:10] + keys[990:]
    assert set(await walked(files)) == set(kept)
    assert [await files.read(key, 0, 100) for key in kept] == blobs[:10] + blobs[990:]
    for key in keys[10:990:70]:
        with pytest.raises(BlobNotFoundError):
            await files.read(key, 0, 100)
    await files.delete(keys)
    assert await walked(files) == {}


async def test_the_active_pack_goes_when_it_is_sealed(root: Path, files: FilesystemStore) -> None:
    keys = [await put(files, b"a"), await put(files, b"b")]
    await files.delete(reversed(keys))
    assert len(packs(root)) == 1
    last = await put(files, b"c")
    assert packed(last).pack == packed(keys[0]).pack
    await files.delete([last])
    await files.close()
    assert everything(root) == []


async def test_a_pack_of_the_dead_is_swept_at_the_next_start(root: Path, files: FilesystemStore) -> None:
    key = await put(files, b"a")
    await files.close()
    where = packed(key)
    with packs(root)[0].open("r+b") as pack:
        pack.seek(where.offset + record.STATE_AT)
        pack.write(record.DEAD)
    again = FilesystemStore(root)
    await again.open()
    assert everything(root) == []
    await again.close()


@pytest.mark.parametrize("tail", ["garbage", "half a header", "a header without its blob", "zeros"])
async def test_a_torn_tail_is_no_blob(root: Path, files: FilesystemStore, tail: str) -> None:
    keys = [await put(files, b"acknowledged"), await put(files, b"this too")]
    torn = await put(files, os.urandom(5000))
    await files.close()
    [pack] = packs(root)
    whole = pack.read_bytes()
    end = packed(torn).offset
    tails = {
        "garbage": os.urandom(3000),
        "half a header": whole[end : end + 40],
        "a header without its blob": whole[end : end + 64 + 4000] + bytes(1000),
        "zeros": bytes(5000),
    }
    pack.write_bytes(whole[:end] + tails[tail])
    again = FilesystemStore(root)
    await again.open()
    assert set(await walked(again)) == set(keys)
    assert [await contents(again, key) for key in keys] == [b"acknowledged", b"this too"]
    await again.delete(keys)
    assert await walked(again) == {}
    await again.close()


async def test_a_damaged_header_hides_no_other_blob(root: Path, files: FilesystemStore) -> None:
    keys = [await put(files, os.urandom(1000)) for _ in range(5)]
    # What a client sends may look like a header, even like that of another pack.
    other = FilesystemStore(root.parent / "other")
    await other.open()
    await put(other, b"x" * 200)
    await other.close()
    keys.append(await put(files, packs(root.parent / "other")[0].read_bytes()))
    [pack] = packs(root)
    with pack.open("r+b") as opened:
        for damaged in (keys[1], keys[5]):
            opened.seek(packed(damaged).offset + 20)
            opened.write(b"\xff\xfe")
    assert set(await walked(files)) == {keys[0], *keys[2:5]}
    for damaged in (keys[1], keys[5]):
        with pytest.raises(StoreCorruptError):
            await files.read(damaged, 0, 10)
    # Its neighbours die, but a pack with something unreadable in it is not thrown away.
    await files.delete([keys[0], *keys[2:5]])
    await files.close()
    assert packs(root) == [pack]


async def test_a_key_that_fits_no_record(files: FilesystemStore) -> None:
    where = packed(await put(files, b"0123456789"))
    for offset, size in ((0, 9), (0, 11), (64, 5), (1 << 20, 5)):
        with pytest.raises(StoreCorruptError):
            await files.read(str(PackedKey(where.pack, offset, size)), 0, 1)
        await files.delete([str(PackedKey(where.pack, offset, size))])
    assert await contents(files, str(where)) == b"0123456789"


@pytest.mark.parametrize("broken", ["write", "sync_data"])
async def test_a_failed_flush_fails_its_callers_and_ends_the_pack(
    root: Path, files: FilesystemStore, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    good = await put(files, b"good")

    def fail(*_: object) -> int:
        raise OSError(5, "made up")

    with monkeypatch.context() as patch:
        patch.setattr(disk, broken, fail)
        failed = await asyncio.gather(*(put(files, b"lost") for _ in range(10)), return_exceptions=True)
    assert {type(error) for error in failed} == {StoreUnavailableError}
    assert str(failed[0]) == "writing a small blob: Input/output error"
    later = await put(files, b"later")
    assert packed(later).pack != packed(good).pack
    assert set(await walked(files)) == {good, later}
    assert b"lost" not in b"".join(pack.read_bytes() for pack in packs(root))


async def test_a_put_cancelled_during_its_flush_is_withdrawn(
    files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await put(files, b"kept")
    sync_data, flushing, go_on = disk.sync_data, threading.Event(), threading.Event()

    def slowly(fd: int) -> None:
        flushing.set()
        go_on.wait(10)
        sync_data(fd)

    monkeypatch.setattr(disk, "sync_data", slowly)
    task = asyncio.ensure_future(put(files, b"nobody waits"))
    await asyncio.to_thread(flushing.wait, 10)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    # Closing finishes what is in flight, the withdrawal too.
    await files.close()
    await files.open()
    assert set(await walked(files)) == {kept}


async def test_removals_in_a_pack_wait_for_one_another(root: Path, files: FilesystemStore) -> None:
    key = await put(files, b"bytes")
    with packs(root)[0].open("r+b") as elsewhere:
        assert disk.lock(elsewhere.fileno(), disk.REMOVING)
        deleting = asyncio.ensure_future(files.delete([key]))
        await asyncio.sleep(0.1)
        assert not deleting.done()
        assert await contents(files, key) == b"bytes"
    await deleting
    assert await walked(files) == {}


async def test_a_digest_that_is_none_harms_nobody_else(root: Path, files: FilesystemStore) -> None:
    good = asyncio.ensure_future(put(files, b"good"))
    with pytest.raises(ValueError, match="hex"):
        await files.put([b"bad"], 3, "../" * 10)
    writer = files.create()
    await writer.write([b"bad"])
    with pytest.raises(ValueError, match="hex digits"):
        await writer.commit("/../../../outside")
    await writer.abort()
    kept = await good
    assert set(await walked(files)) == {kept}


async def test_nothing_is_put_after_close(files: FilesystemStore) -> None:
    key = await stream_in(files, bytes(100_000))
    await files.close()
    with pytest.raises(StoreUnavailableError):
        await put(files, b"late")
    with pytest.raises(StoreUnavailableError):
        await stream_in(files, b"late")
    with pytest.raises(StoreUnavailableError):
        await files.delete([key])


async def test_a_commit_cancelled_in_its_last_moment_leaves_nothing(
    files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread has named the file, but nobody is there to hear of it."""
    writer = files.create()
    await writer.write([b"bytes"])
    publish, named, go_on = Draft.publish, threading.Event(), threading.Event()

    def slowly(draft: Draft, name: str, directory: int) -> None:
        publish(draft, name, directory)
        named.set()
        go_on.wait(10)

    monkeypatch.setattr(Draft, "publish", slowly)
    task = asyncio.ensure_future(writer.commit())
    await asyncio.to_thread(named.wait, 10)
    assert len(await walked(files)) == 1
    task.cancel()
    await asyncio.sleep(0.01)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await writer.abort()
    assert await walked(files) == {}


# --- several processes ---


async def test_processes_see_each_others_blobs(files: FilesystemStore, another: FilesystemStore) -> None:
    keys = {await store_in(files, data) for store_in in (put, stream_in, in_parts) for data in (b"one", b"two")}
    keys |= {await put(another, b"three")}
    for store in (files, another):
        assert set(await walked(store)) == keys
        for key in keys:
            assert await contents(store, key) in {b"one", b"two", b"three"}
    await another.delete(keys)
    for key in keys:
        with pytest.raises(BlobNotFoundError):
            await files.read(key, 0, 1)
    assert await walked(files) == {}
    await another.close()


async def test_a_pack_that_another_process_writes_is_left_alone(
    root: Path, files: FilesystemStore, another: FilesystemStore
) -> None:
    await another.delete([await put(files, b"gone")])
    third = FilesystemStore(root)
    await third.open()
    kept = await put(files, b"kept")
    for store in (files, another, third):
        assert await contents(store, kept) == b"kept"
    await third.close()
    await another.close()


async def test_two_processes_delete_the_same_neighbours(files: FilesystemStore, another: FilesystemStore) -> None:
    keys = await asyncio.gather(*(put(files, os.urandom(number % 900)) for number in range(600)))
    kept = set(keys[::50])
    gone = [key for key in keys if key not in kept]
    batches = [gone[start : start + 7] for start in range(0, len(gone), 7)]
    await asyncio.gather(*(store.delete(batch) for batch in batches for store in (files, another)))
    assert set(await walked(files)) == kept
    assert set(await walked(another)) == kept
    await another.close()


async def test_the_room_of_a_pack_held_open_elsewhere_is_given_back(
    root: Path, files: FilesystemStore, another: FilesystemStore
) -> None:
    key = await put(files, os.urandom(SMALL))
    await another.read(key, 0, 10)
    await files.close()
    with packs(root)[0].open("rb") as held:
        await another.delete([key])
        assert packs(root) == []
        assert os.fstat(held.fileno()).st_blocks == 0
    with pytest.raises(BlobNotFoundError):
        await another.read(key, 0, 10)
    await another.close()


async def test_a_blob_of_parts_stays_until_its_last_reader_closes(
    root: Path, files: FilesystemStore, another: FilesystemStore
) -> None:
    data = [os.urandom(1000) for _ in range(40)]
    key = await in_parts(files, *data)
    mine, theirs = await files.open_blob(key), await another.open_blob(key)
    await files.delete([key])
    for store in (files, another):
        with pytest.raises(BlobNotFoundError):
            await store.open_blob(key)
        await store.delete([key])
    assert await streamed(mine, 0, mine.size) == b"".join(data)
    await mine.close()
    await mine.close()
    assert await streamed(theirs, 0, theirs.size) == b"".join(data)
    await theirs.close()
    assert everything(root) == []
    await another.close()


async def test_what_died_while_removing_is_finished_at_the_next_start(root: Path, files: FilesystemStore) -> None:
    key = await in_parts(files, b"one", b"two")
    upload = key.removeprefix("m.")
    (root / "uploads" / upload[:2] / upload).rename(root / "tmp" / upload)
    (root / "tmp" / ("d" * 32)).write_bytes(b"a draft whose writer died")
    again = FilesystemStore(root)
    await again.open()
    assert everything(root) == []
    await again.close()


async def test_an_upload_whose_maker_died_can_be_aborted(root: Path, files: FilesystemStore) -> None:
    upload = await files.create_multipart()
    (root / "uploads" / upload[:2] / upload / "aborted").unlink()
    await files.abort_multipart(upload)
    assert everything(root) == []


async def test_drafts_of_the_living_are_not_swept(
    root: Path, files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "open_unnamed", lambda _: None)
    writer = files.create()
    await writer.write([b"slow "])
    assert len(everything(root)) == 1
    again = FilesystemStore(root)
    await again.open()
    await writer.write([b"writer"])
    assert await contents(again, await writer.commit()) == b"slow writer"
    await again.close()


async def test_ended_uploads_leave_no_file(root: Path, files: FilesystemStore) -> None:
    aborted, completed = await files.create_multipart(), await files.create_multipart()
    for upload in (aborted, completed):
        parts = [await send_part(files, upload, number, b"x") for number in (1, 2, 2, 3)]
    await files.abort_multipart(aborted)
    key = await files.complete_multipart(completed, parts[:1])
    # Its one part and its outcome, in its directory.
    assert len(everything(root)) == 3
    await files.delete([key])
    assert everything(root) == []


async def test_a_part_that_lands_as_the_upload_ends(
    root: Path, files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the outcome and the name of the part, the upload ends: the part must not stay."""
    upload = await files.create_multipart()
    first = await send_part(files, upload, 1, b"x")
    late = files.create_part(upload, 2)
    await late.write([b"late"])
    publish, about_to, go_on = Draft.publish, threading.Event(), threading.Event()

    def slowly(draft: Draft, name: str, directory: int) -> None:
        if name.startswith("00002"):
            about_to.set()
            go_on.wait(10)
        publish(draft, name, directory)

    monkeypatch.setattr(Draft, "publish", slowly)
    committing = asyncio.ensure_future(late.commit())
    await asyncio.to_thread(about_to.wait, 10)
    key = await files.complete_multipart(upload, [first])
    go_on.set()
    with pytest.raises(UploadGoneError):
        await committing
    assert await contents(files, key) == b"x"
    assert len(everything(root)) == 3


async def test_a_complete_that_comes_while_an_abort_clears(
    root: Path, files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The abort's outcome is gone again already, the directory and the parts not yet."""
    upload = await files.create_multipart()
    part = await send_part(files, upload, 1, b"x")
    publish, unlink = Draft.publish, disk.unlink
    about_to, cleared, published = threading.Event(), threading.Event(), threading.Event()

    def late(draft: Draft, name: str, directory: int) -> None:
        about_to.set()
        cleared.wait(10)
        publish(draft, name, directory)
        published.set()

    def slowly(name: str, dir_fd: int) -> bool:
        gone = unlink(name, dir_fd)
        if name == "outcome" and not cleared.is_set():
            cleared.set()
            published.wait(10)
        return gone

    monkeypatch.setattr(Draft, "publish", late)
    monkeypatch.setattr(disk, "unlink", slowly)
    completing = asyncio.ensure_future(files.complete_multipart(upload, [part]))
    await asyncio.to_thread(about_to.wait, 10)
    await files.abort_multipart(upload)
    with pytest.raises(UploadGoneError):
        await completing
    assert everything(root) == []


# --- what does not belong there ---


Plant = Callable[[Path, Path], None]


def _link(target: Path, place: Path) -> None:
    place.symlink_to(target)


def _pipe(_: Path, place: Path) -> None:
    os.mkfifo(place)


def _directory(_: Path, place: Path) -> None:
    place.mkdir()


@pytest.mark.parametrize("plant", [_link, _pipe, _directory])
@pytest.mark.parametrize("kind", ["file", "pack", "part", "outcome"])
async def test_nothing_planted_in_a_files_place_is_read(
    root: Path, files: FilesystemStore, plant: Plant, kind: str
) -> None:
    stores: dict[str, Callable[[FilesystemStore, bytes], Awaitable[str]]] = {"file": stream_in, "pack": put}
    key = await stores.get(kind, in_parts)(files, b"mine")
    await files.close()
    pattern = {"file": "blobs/*/*", "pack": "packs/*", "part": "uploads/*/*/0*", "outcome": "uploads/*/*/outcome"}[kind]
    [place] = root.glob(pattern)
    # Even the very same bytes are not followed to.
    outside = root.parent / "outside"
    place.rename(outside)
    plant(outside, place)
    again = FilesystemStore(root)
    await again.open()
    with pytest.raises(StoreError):
        await again.read(key, 0, 4)
    with pytest.raises(StoreError):
        await contents(again, key)
    if kind != "part":
        assert await walked(again) == {}
    await asyncio.gather(again.delete([key]), return_exceptions=True)
    assert outside.exists()
    await again.close()


async def test_a_linked_shard_is_not_entered(root: Path, files: FilesystemStore) -> None:
    key = await stream_in(files, b"mine")
    shard = root / "blobs" / key[2:4]
    shard.rename(root.parent / "outside")
    shard.symlink_to(root.parent / "outside")
    with pytest.raises(StoreCorruptError):
        await files.read(key, 0, 4)
    with pytest.raises(StoreCorruptError):
        await files.delete([key])
    assert len(list((root.parent / "outside").iterdir())) == 1


async def test_a_linked_directory_stops_the_start(root: Path, files: FilesystemStore) -> None:
    await files.close()
    (root / "packs").rename(root.parent / "outside")
    (root / "packs").symlink_to(root.parent / "outside")
    with pytest.raises(StoreError, match="opening the store"):
        await FilesystemStore(root).open()


async def test_a_shortened_file(root: Path, files: FilesystemStore) -> None:
    key, joined = await stream_in(files, bytes(100_000)), await in_parts(files, bytes(100), bytes(100))
    reader = await files.open_blob(key)
    for path in [*root.glob("blobs/*/*"), *root.glob("uploads/*/*/00002*")]:
        os.truncate(path, 50)
    for blob, stop in ((key, 70_000), (key, 100_000), (joined, 200)):
        with pytest.raises(StoreCorruptError):
            await files.read(blob, 0, stop)
    with pytest.raises(StoreCorruptError):
        await contents(files, joined)
    with pytest.raises(StoreCorruptError):
        await streamed(reader, 0, reader.size)
    await reader.close()


@pytest.mark.parametrize(
    "outcome",
    [
        b"",
        b"{",
        b"[]",
        b'{"format":2,"parts":[]}',
        b'{"format":1}',
        b'{"format":1,"parts":[["../../../../etc/passwd",9]]}',
        b'{"format":1,"parts":[["00001",null]]}',
    ],
)
async def test_a_damaged_list_of_parts(root: Path, files: FilesystemStore, outcome: bytes) -> None:
    key = await in_parts(files, b"one")
    [place] = root.glob("uploads/*/*/outcome")
    place.write_bytes(outcome)
    with pytest.raises(StoreCorruptError):
        await files.open_blob(key)
    assert await walked(files) == {}


async def test_digests_in_names_are_those_of_the_files(root: Path, files: FilesystemStore) -> None:
    await stream_in(files, b"stream")
    await in_parts(files, b"one", b"two")
    named = {path.name.rsplit(".", 1)[1]: path.read_bytes() for path in everything(root) if len(path.name) > 64}
    assert named == {sha256(data): data for data in (b"stream", b"one", b"two")}


async def test_only_the_owner_may_look(root: Path, files: FilesystemStore) -> None:
    await stream_in(files, b"stream")
    await put(files, b"small")
    await in_parts(files, b"part")
    assert {path.stat().st_mode & 0o077 for path in [root, *root.rglob("*")]} == {0}
