"""Blobs in memory: for tests, and for trying things out. Durable as long as the process."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from backends.held import HeldBlob, beyond_end
from backends.store import (
    SMALL,
    BlobNotFoundError,
    BlobReader,
    BlobWriter,
    Buffers,
    StoreCorruptError,
    StoredBlob,
    StoredPart,
    StoreUsage,
    UploadGoneError,
)


@dataclass(frozen=True, slots=True)
class _Blob:
    data: bytes
    sha256: str | None
    stored_at: float = field(default_factory=time.time)


class MemoryStore:
    """A BlobStore in memory."""

    def __init__(self, *, name: str = "default") -> None:
        self.name = name
        self._numbers = count(1)
        self._blobs: dict[str, _Blob] = {}
        self._uploads: dict[str, dict[str, _Blob]] = {}
        self._completed: dict[str, tuple[str, tuple[StoredPart, ...]]] = {}

    async def open(self) -> None:
        """There is nothing to make ready."""

    async def close(self) -> None:
        """There is nothing to let go."""

    async def probe(self) -> None:
        """Memory works."""

    async def usage(self) -> StoreUsage:
        return StoreUsage(used=sum(len(blob.data) for blob in self._blobs.values()), free=None)

    async def put(self, buffers: Buffers, size: int, sha256: str) -> str:
        if size > SMALL or size != sum(map(len, buffers)):
            raise ValueError(f"put takes at most {SMALL} bytes, and exactly as many as it is told")
        return self._keep(_Blob(b"".join(buffers), sha256))

    def create(self, size: int | None = None) -> BlobWriter:  # noqa: ARG002 - memory needs no early word of it
        return _Writer(self._keep)

    async def read(self, key: str, start: int, stop: int) -> bytes:
        data = self._found(key).data
        if stop > len(data):
            raise beyond_end(len(data), stop)
        return data[start:stop]

    async def open_blob(self, key: str) -> BlobReader:
        return HeldBlob(self._found(key).data)

    async def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._blobs.pop(key, None)

    async def walk(self) -> AsyncIterator[StoredBlob]:
        for key, blob in list(self._blobs.items()):
            yield StoredBlob(key, len(blob.data), blob.stored_at, blob.sha256)

    async def create_multipart(self) -> str:
        upload = f"upload-{next(self._numbers)}"
        self._uploads[upload] = {}
        return upload

    def create_part(
        self,
        upload: str,
        number: int,  # noqa: ARG002 - a key that is new each time needs no number
        size: int | None = None,  # noqa: ARG002
    ) -> BlobWriter:
        def land(blob: _Blob) -> str:
            key = f"part-{next(self._numbers)}"
            self._open_upload(upload)[key] = blob
            return key

        return _Writer(land)

    async def complete_multipart(self, upload: str, parts: Sequence[StoredPart]) -> str:
        done = self._completed.get(upload)
        if done is not None:
            key, completed = done
            if completed != tuple(parts):
                raise UploadGoneError("the upload was completed with other parts")
            return key
        landed = self._open_upload(upload)
        for part in parts:
            if part.key not in landed:
                raise BlobNotFoundError("a part of the upload is not there")
            if len(landed[part.key].data) != part.size:
                raise StoreCorruptError("a part of the upload is not as long as it was")
        key = self._keep(_Blob(b"".join(landed[part.key].data for part in parts), None))
        del self._uploads[upload]
        self._completed[upload] = key, tuple(parts)
        return key

    async def abort_multipart(self, upload: str) -> None:
        self._uploads.pop(upload, None)

    def _keep(self, blob: _Blob) -> str:
        key = f"memory-{next(self._numbers)}"
        self._blobs[key] = blob
        return key

    def _found(self, key: str) -> _Blob:
        try:
            return self._blobs[key]
        except KeyError:
            raise BlobNotFoundError("no blob has this key") from None

    def _open_upload(self, upload: str) -> dict[str, _Blob]:
        try:
            return self._uploads[upload]
        except KeyError:
            raise UploadGoneError("there is no such upload") from None


class _Writer:
    def __init__(self, land: Callable[[_Blob], str]) -> None:
        self._land = land
        self._pieces: list[bytes] = []

    async def write(self, buffers: Buffers) -> None:
        self._pieces.extend(bytes(buffer) for buffer in buffers)

    async def commit(self, sha256: str | None = None) -> str:
        return self._land(_Blob(b"".join(self._pieces), sha256))

    async def abort(self) -> None:
        self._pieces.clear()
