"""Large files that go past the page cache: whole whatever their length, and where the file system will not have it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from backends.filesystem import FilesystemStore, direct, disk, draft
from backends.store import Buffer
from tests.conformance.backends.blobs import contents, in_parts, stream_in

_PAGE = 4096
_BLOCK = 16 * _PAGE


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every announced stream is a large one, of small blocks."""
    monkeypatch.setattr(draft, "DIRECT_FROM", 1)
    monkeypatch.setattr(direct, "BLOCK", _BLOCK)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, int]]:
    """Every write: whether it went past the page cache, and its length."""
    calls: list[tuple[bool, int]] = []
    write = disk.write

    def noting(fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        calls.append((bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT), sum(map(len, buffers))))
        return write(fd, buffers, offset)

    monkeypatch.setattr(disk, "write", noting)
    return calls


@pytest.mark.parametrize("size", [1, _PAGE - 1, _BLOCK - 1, _BLOCK, _BLOCK + 1, 7 * _BLOCK, 7 * _BLOCK + 12_345])
async def test_whatever_its_length_a_file_is_whole(
    files: FilesystemStore, written: list[tuple[bool, int]], size: int
) -> None:
    data = os.urandom(size)
    assert await contents(files, await stream_in(files, data)) == data
    blocks, rest = divmod(size, _BLOCK)
    assert written == [(True, _BLOCK)] * blocks + [(False, rest)]


async def test_parts_too(files: FilesystemStore, written: list[tuple[bool, int]]) -> None:
    parts = [os.urandom(3 * _BLOCK), os.urandom(_BLOCK + 1)]
    assert await contents(files, await in_parts(files, *parts)) == b"".join(parts)
    assert written.count((True, _BLOCK)) == 4


async def test_what_was_not_announced_goes_through_the_cache(
    files: FilesystemStore, written: list[tuple[bool, int]]
) -> None:
    writer = files.create()
    await writer.write([bytes(2 * _BLOCK)])
    await writer.commit()
    assert written == [(False, 2 * _BLOCK)]


@pytest.mark.parametrize(("announced", "sent"), [(3 * _BLOCK, _BLOCK + 5), (_BLOCK + 5, 3 * _BLOCK)])
async def test_an_announcement_is_only_a_claim(files: FilesystemStore, announced: int, sent: int) -> None:
    data = os.urandom(sent)
    writer = files.create(announced)
    await writer.write([data])
    assert await contents(files, await writer.commit()) == data


async def test_everything_is_written_before_the_sync(
    files: FilesystemStore, written: list[tuple[bool, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes_at_sync = []
    sync = disk.sync

    def noting(fd: int) -> None:
        if not Path(f"/proc/self/fd/{fd}").is_dir():
            sizes_at_sync.append(os.fstat(fd).st_size)
        sync(fd)

    monkeypatch.setattr(disk, "sync", noting)
    await stream_in(files, bytes(_BLOCK + 77))
    assert sizes_at_sync == [_BLOCK + 77]


async def test_a_file_system_that_refuses_the_flag(
    files: FilesystemStore, written: list[tuple[bool, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    control = fcntl.fcntl

    def refusing(fd: int, command: int, argument: int | bytes = 0) -> int | bytes:
        if command == fcntl.F_SETFL and isinstance(argument, int) and argument & os.O_DIRECT:
            raise OSError(errno.EINVAL, "made up")
        return control(fd, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", refusing)
    data = os.urandom(3 * _BLOCK + 1)
    assert await contents(files, await stream_in(files, data)) == data
    assert not any(past_the_cache for past_the_cache, _ in written)


async def test_a_file_system_that_takes_the_flag_but_not_the_write(
    files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwritev = os.pwritev

    def refusing(fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "made up")
        return pwritev(fd, buffers, offset)

    monkeypatch.setattr(os, "pwritev", refusing)
    data = os.urandom(3 * _BLOCK + 1)
    assert await contents(files, await stream_in(files, data)) == data
