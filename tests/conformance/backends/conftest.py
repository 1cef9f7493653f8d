"""Every store the suite runs against: one line each in STORES."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from backends.filesystem import FilesystemStore, disk
from backends.memory import MemoryStore
from backends.store import BlobStore


def _without_unnamed_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> BlobStore:
    """As on network file systems that do not know O_TMPFILE."""
    monkeypatch.setattr(disk, "open_unnamed", lambda _dir_fd: None)
    return FilesystemStore(root)


STORES: dict[str, Callable[[Path, pytest.MonkeyPatch], BlobStore]] = {
    "filesystem": lambda root, _: FilesystemStore(root),
    "filesystem-named-drafts": _without_unnamed_files,
    "memory": lambda _, __: MemoryStore(),
}


@pytest.fixture(params=STORES)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BlobStore]:
    made = STORES[request.param](tmp_path / "store", monkeypatch)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where `files` is."""
    return tmp_path / "files"


@pytest.fixture
async def files(root: Path) -> AsyncIterator[FilesystemStore]:
    """An open store in files, for what only such a one can show."""
    made = FilesystemStore(root)
    await made.open()
    yield made
    await made.close()
