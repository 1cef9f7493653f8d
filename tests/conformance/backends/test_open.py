"""Store URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.filesystem import FilesystemStore
from backends.memory import MemoryStore
from backends.open import open_store
from backends.store import StoreError
from tests.conformance.backends.blobs import contents, stream_in


async def test_a_file_url_is_a_directory(tmp_path: Path) -> None:
    store = open_store(f"{tmp_path.as_uri()}/with%20space/blobs", name="primary")
    assert isinstance(store, FilesystemStore)
    assert store.name == "primary"
    await store.open()
    assert await contents(store, await stream_in(store, b"there")) == b"there"
    await store.close()
    await store.close()
    assert (tmp_path / "with space" / "blobs" / "packs").is_dir()


async def test_memory() -> None:
    store = open_store("memory:")
    assert isinstance(store, MemoryStore)
    assert store.name == "default"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://bucket/prefix?endpoint=http://localhost", "files only"),
        ("file:relative/path", "absolute path"),
        ("file://elsewhere/path", "absolute path"),
        ("file:///path?cache=1", "no parameters"),
        ("ftp://host/", "no store is called ftp"),
        ("/var/lib", "no store is called /var/lib"),
        ("", "no store is called : expected one of file:, memory:"),
    ],
)
def test_other_urls_are_refused_in_a_clear_line(url: str, told: str) -> None:
    with pytest.raises(StoreError, match=told):
        open_store(url)


async def test_a_place_that_cannot_be_a_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        store = FilesystemStore(place)
        with pytest.raises(StoreError, match=f"opening the store in {place}: "):
            await store.open()
        await store.close()
