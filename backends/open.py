"""From a store's URL to the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from backends.filesystem import FilesystemStore
from backends.memory import MemoryStore
from backends.store import BlobStore, StoreError


def open_store(url: str, *, name: str = "default") -> BlobStore:
    """The store a URL tells of, to be opened with `await store.open()`: `file:///directory` or `memory:`.

    `name` is what rows call it. Raises StoreError, in one clear line, for a URL that tells of none.
    """
    parts = urlsplit(url)
    make = _BY_SCHEME.get(parts.scheme)
    if make is None:
        known = ", ".join(f"{scheme}:" for scheme in _BY_SCHEME)
        raise StoreError(f"no store is called {parts.scheme or url}: expected one of {known}")
    return make(parts, name)


def _filesystem(url: SplitResult, name: str) -> BlobStore:
    if url.netloc not in {"", "localhost"} or not url.path.startswith("/"):
        raise StoreError("a store in files is given by an absolute path: file:///var/lib/artifact-store")
    if url.query or url.fragment:
        raise StoreError("a store in files takes no parameters; write ? as %3F and # as %23 in its path")
    return FilesystemStore(Path(unquote(url.path)), name=name)


def _memory(_url: SplitResult, name: str) -> BlobStore:
    return MemoryStore(name=name)


def _s3(_url: SplitResult, _name: str) -> BlobStore:
    raise StoreError("this release keeps bytes in files only: use file:///directory in place of s3:")


_BY_SCHEME: dict[str, Callable[[SplitResult, str], BlobStore]] = {
    "file": _filesystem,
    "memory": _memory,
    "s3": _s3,
}
