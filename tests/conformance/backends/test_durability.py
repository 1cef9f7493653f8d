"""Nothing is lost that was acknowledged: order of the system calls, a killed process, a full disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from backends.filesystem import FilesystemStore, disk
from backends.store import SMALL, BlobWriter, StoreFullError, StoreUnavailableError
from tests.conformance.backends.blobs import contents, in_parts, put, send_part, sha256, stream_in, walked

# --- order ---


class Recorder:
    """Notes the calls that change the disk, with descriptors told by the path they lead to."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._root = root
        for name, told in {
            "open_unnamed": lambda dir_fd: (self._path(dir_fd),),
            "open_new": lambda name, dir_fd: (self._path(dir_fd, name),),
            "make_directory": lambda name, dir_fd: (self._path(dir_fd, name),),
            "link_unnamed": lambda fd, name, dir_fd: (self._path(dir_fd, name),),
            "rename": lambda source, source_fd, name, dir_fd: (self._path(source_fd, source), self._path(dir_fd, name)),
            "unlink": lambda name, dir_fd: (self._path(dir_fd, name),),
            "write": lambda fd, buffers, offset: (self._path(fd),),
            "truncate": lambda fd, size: (self._path(fd),),
            "punch": lambda fd, start, stop: (self._path(fd),),
            "sync": lambda fd: (self._path(fd),),
            "sync_data": lambda fd: (self._path(fd),),
        }.items():
            monkeypatch.setattr(disk, name, self._recording(name, getattr(disk, name), told))

    def _recording(
        self, name: str, call: Callable[..., object], told: Callable[..., tuple[str, ...]]
    ) -> Callable[..., object]:
        def recording(*args: object) -> object:
            self.calls.append((name, *told(*args)))
            return call(*args)

        return recording

    def _path(self, fd: int, name: str = "") -> str:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        return "unnamed" if path.name.startswith("#") else str((path / name).relative_to(self._root))


@pytest.fixture
async def recorded(root: Path, files: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    return Recorder(root, monkeypatch).calls


async def test_a_stream_is_durable_before_it_has_a_name(
    files: FilesystemStore, recorded: list[tuple[str, ...]]
) -> None:
    key = await stream_in(files, b"bytes")
    shard, name = f"blobs/{key[2:4]}", key.removeprefix("f.")
    assert recorded == [
        ("make_directory", shard),
        ("sync", "blobs"),
        ("open_unnamed", shard),
        ("write", "unnamed"),
        ("sync", "unnamed"),
        ("link_unnamed", f"{shard}/{name}"),
        ("sync", shard),
    ]


async def test_a_small_blob_is_flushed_into_a_pack_whose_name_is_durable(
    files: FilesystemStore, recorded: list[tuple[str, ...]]
) -> None:
    pack = (await put(files, b"first")).split(".")[1]
    assert recorded == [
        ("open_unnamed", "packs"),
        ("sync", "unnamed"),
        ("link_unnamed", f"packs/{pack}.pack"),
        ("sync", "packs"),
        ("write", "unnamed"),
        ("sync_data", "unnamed"),
    ]
    recorded.clear()
    await put(files, b"second")
    assert recorded == [("write", "unnamed"), ("sync_data", "unnamed")]


async def test_a_record_is_dead_for_good_before_its_room_is_given_back(
    files: FilesystemStore, recorded: list[tuple[str, ...]]
) -> None:
    key = await put(files, bytes(10_000))
    await put(files, b"stays")
    recorded.clear()
    await files.delete([key])
    pack = f"packs/{key.split('.')[1]}.pack"
    assert recorded == [("write", pack), ("sync_data", pack), ("punch", pack)]


async def test_an_upload_is_durable_step_by_step(files: FilesystemStore, recorded: list[tuple[str, ...]]) -> None:
    upload = await files.create_multipart()
    shard = f"uploads/{upload[:2]}"
    directory = f"{shard}/{upload}"
    assert recorded == [
        ("make_directory", shard),
        ("sync", "uploads"),
        ("make_directory", directory),
        ("sync", shard),
        ("open_unnamed", directory),
        ("write", "unnamed"),
        ("sync", "unnamed"),
        ("link_unnamed", f"{directory}/aborted"),
        ("sync", directory),
    ]
    recorded.clear()
    dropped = await send_part(files, upload, 1, b"dropped")
    recorded.clear()
    part = await send_part(files, upload, 1, b"part")
    assert recorded == [
        ("open_unnamed", directory),
        ("write", "unnamed"),
        ("sync", "unnamed"),
        ("link_unnamed", f"{directory}/{part.key.removeprefix(upload + '.')}"),
        ("sync", directory),
    ]
    recorded.clear()
    await files.complete_multipart(upload, [part])
    # Whole and durable before it decides, durable before anything is dropped.
    assert recorded[:4] == [
        ("open_unnamed", directory),
        ("write", "unnamed"),
        ("sync", "unnamed"),
        ("link_unnamed", f"{directory}/outcome"),
    ]
    assert recorded.index(("sync", directory)) < recorded.index(
        ("unlink", f"{directory}/{dropped.key.removeprefix(upload + '.')}")
    )
    recorded.clear()
    await files.complete_multipart(upload, [part])
    assert recorded == [("sync", directory)]
    recorded.clear()
    await files.delete([f"m.{upload}"])
    assert recorded[:4] == [
        ("rename", directory, f"tmp/{upload}"),
        ("sync", "tmp"),
        ("sync", shard),
        ("unlink", f"tmp/{upload}/outcome"),
    ]


async def test_every_directory_of_a_new_store_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Recorder(tmp_path, monkeypatch).calls
    store = FilesystemStore(tmp_path / "a" / "b")
    await store.open()
    made = {path: index for index, (call, path) in enumerate(calls) if call == "make_directory"}
    assert list(made) == ["a", "a/b", "a/b/packs", "a/b/blobs", "a/b/uploads", "a/b/tmp"]
    last_sync = {path: index for index, (call, path) in enumerate(calls) if call == "sync"}
    for path, index in made.items():
        assert last_sync[str(Path(path).parent)] > index
    await store.close()


async def test_a_shard_that_another_process_made_is_made_durable_too(
    root: Path, files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(256):
        (root / "blobs" / f"{number:02x}").mkdir()
    calls = Recorder(root, monkeypatch).calls
    key = await stream_in(files, b"bytes")
    shard = f"blobs/{key[2:4]}"
    assert calls.index(("sync", "blobs")) < calls.index(("open_unnamed", shard))


async def test_a_name_that_could_not_be_made_durable_is_taken_back(
    root: Path, files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = disk.sync

    def fail_for_directories(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").is_dir():
            raise OSError(28, "made up")
        sync(fd)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", fail_for_directories)
        with pytest.raises(StoreFullError):
            await stream_in(files, b"bytes")
        with pytest.raises(StoreFullError):
            await put(files, b"bytes")
    assert await walked(files) == {}
    assert list(root.glob("*/*/*")) == list(root.glob("packs/*")) == []


# --- kill ---

WRITER = """
import asyncio, hashlib, os, sys
from pathlib import Path
from backends.filesystem import FilesystemStore

async def main() -> None:
    store = FilesystemStore(Path(sys.argv[1]))
    await store.open()
    # Under way and never acknowledged: must not show afterwards.
    open_stream = store.create()
    await open_stream.write([b"never" * 1000])
    upload = await store.create_multipart()
    data = os.urandom(int(sys.argv[3]))
    digest = hashlib.sha256(data).hexdigest()
    if sys.argv[2] == "put":
        key = await store.put([data], len(data), digest)
    elif sys.argv[2] == "stream":
        writer = store.create()
        await writer.write([data])
        key = await writer.commit(digest)
    else:
        from backends.store import StoredPart
        writer = store.create_part(upload, 1)
        await writer.write([data])
        part = StoredPart(1, await writer.commit(digest), len(data))
        key = await store.complete_multipart(upload, [part])
    os.write(1, f"{key} {digest} {upload}".encode())
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@pytest.mark.parametrize(("how", "size"), [("put", 5000), ("stream", 100_000), ("parts", 100_000)])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, how: str, size: int) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / "store"), how, str(size)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    key, digest, upload = killed.stdout.decode().split()

    async def look() -> None:
        store = FilesystemStore(tmp_path / "store")
        await store.open()
        assert sha256(await contents(store, key)) == digest
        assert set(await walked(store)) == {key}
        await store.delete([key])
        await store.abort_multipart(upload)
        await store.close()

    asyncio.run(look())
    left = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    # A crashed process's sealed pack went with its last record.
    assert left == []


# --- full ---


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two mebibytes."""
    place = tmp_path / "tiny"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
async def tiny(tiny_disk: Path) -> AsyncIterator[FilesystemStore]:
    store = FilesystemStore(tiny_disk / "store")
    await store.open()
    yield store
    await store.close()


async def _free(store: FilesystemStore) -> int:
    free = (await store.usage()).free
    assert free is not None
    return free


async def _endless(writer: BlobWriter) -> None:
    while True:
        await writer.write([bytes(100_000)])


async def test_a_full_disk_is_told_and_leaves_nothing(tiny: FilesystemStore) -> None:
    kept = {await put(tiny, b"kept")}
    free = await _free(tiny)

    announced = tiny.create(4 << 20)
    with pytest.raises(StoreFullError, match="No space left"):
        await announced.write([b"the first byte"])
    await announced.abort()
    unannounced = tiny.create()
    with pytest.raises(StoreFullError, match="writing a blob: No space left"):
        await _endless(unannounced)
    await unannounced.abort()
    upload = await tiny.create_multipart()
    part = tiny.create_part(upload, 1)
    with pytest.raises(StoreFullError):
        await _endless(part)
    await part.abort()
    await tiny.abort_multipart(upload)
    assert set(await walked(tiny)) == kept
    # A page or two of directories.
    assert await _free(tiny) >= free - 16_384

    outcomes = await asyncio.gather(*(put(tiny, os.urandom(SMALL)) for _ in range(64)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {StoreFullError, str}
    assert StoreFullError in map(type, outcomes)
    kept |= {outcome for outcome in outcomes if isinstance(outcome, str)}
    assert set(await walked(tiny)) == kept
    await tiny.delete(kept)
    for ingest in (put, stream_in, in_parts):
        assert await contents(tiny, await ingest(tiny, b"room again")) == b"room again"


async def test_a_disk_that_is_full_to_the_last_page(tiny: FilesystemStore, tiny_disk: Path) -> None:
    filler = tiny_disk / "filler"
    fd = os.open(filler, os.O_CREAT | os.O_WRONLY)
    with suppress(OSError):
        while True:
            os.write(fd, bytes(4096))
    os.close(fd)
    for ingest in (put, stream_in):
        with pytest.raises(StoreFullError):
            await ingest(tiny, os.urandom(10_000))
    with pytest.raises(StoreFullError):
        await tiny.probe()
    assert await walked(tiny) == {}
    filler.unlink()
    await tiny.probe()


async def test_aborting_needs_no_room(tiny: FilesystemStore, tiny_disk: Path) -> None:
    upload = await tiny.create_multipart()
    await send_part(tiny, upload, 1, bytes(1 << 20))
    fd = os.open(tiny_disk / "filler", os.O_CREAT | os.O_WRONLY)
    with suppress(OSError):
        while True:
            os.write(fd, bytes(4096))
    os.close(fd)
    await tiny.abort_multipart(upload)
    assert await _free(tiny) >= 1 << 20


async def test_a_store_that_vanished(root: Path, files: FilesystemStore) -> None:
    shutil.rmtree(root)
    for ingest in (put, stream_in, in_parts):
        with pytest.raises(StoreUnavailableError):
            await ingest(files, b"bytes")
    with pytest.raises(StoreUnavailableError):
        await files.probe()
