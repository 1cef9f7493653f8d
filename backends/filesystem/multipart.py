"""Uploads in parts, and the blobs they become.

A part is a file in the upload's directory and stays there: completing copies no byte. What decides
between completing and aborting is one file, `outcome`: it holds the parts in order, or that the
upload was aborted, and it is linked into place whole, by the first who comes. The one that tells of
an abort is made with the upload: aborting must make room also where there is none. A part that lands
is checked against the outcome afterwards, so that either the part sees the outcome or the outcome's
maker sees the part: none is left behind.

Removing first renames the directory under `tmp`, where no key leads. Readers hold a shared lock on
`outcome`; the files go with the last of them, or when a store that starts next sweeps `tmp`.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from backends.filesystem import disk, layout
from backends.filesystem.draft import Draft
from backends.filesystem.layout import ABORTED, OUTCOME, MultipartKey, Tree
from backends.filesystem.reading import OpenParts
from backends.store import (
    BlobNotFoundError,
    StoreCorruptError,
    StoredBlob,
    StoredPart,
    UploadGoneError,
)

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an upload ended: names and sizes of its parts in order, or None when it was aborted."""

    parts: tuple[tuple[str, int], ...] | None

    def encode(self) -> bytes:
        return json.dumps({"format": _FORMAT, "parts": self.parts}, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> Outcome:
        try:
            told = json.loads(data)
            if told["format"] != _FORMAT:
                raise StoreCorruptError(f"the list of a blob's parts has the unknown format {told['format']!r}")
            if told["parts"] is None:
                return cls(None)
            parts = tuple((str(name), int(size)) for name, size in told["parts"])
        except (ValueError, TypeError, KeyError) as error:
            raise StoreCorruptError("the list of a blob's parts is damaged") from error
        if not all(layout.is_part_name(name) for name, _ in parts):
            raise StoreCorruptError("the list of a blob's parts names something else")
        return cls(parts)


def begin(tree: Tree) -> str:
    """A new upload, durable on return."""
    upload = layout.new_id()
    with tree.shard(tree.uploads, upload, make=True) as shard:
        disk.make_directory(upload, shard)
        disk.sync(shard)
    with tree.upload(upload) as directory:
        _publish(tree, directory, ABORTED, Outcome(None))
    return upload


class PartFile:
    """The destination of a stream that becomes a part."""

    def __init__(self, tree: Tree, upload: str, number: int, size: int | None) -> None:
        self._tree = tree
        self._size = size
        self._upload = upload
        self._number = number

    def begin(self) -> Draft:
        with _directory(self._tree, self._upload) as directory:
            _refuse_if_ended(directory)
            self._tree.require_room(self._size)
            return Draft(self._tree, directory, self._size)

    def publish(self, draft: Draft, sha256: str | None) -> str:
        name = layout.part_name(self._number, sha256)
        with _directory(self._tree, self._upload) as directory:
            draft.publish(name, directory)
            try:
                _refuse_if_ended(directory)
            except UploadGoneError:
                disk.unlink(name, directory)
                raise
            _require_there(self._tree, self._upload)
        return f"{self._upload}.{name}"

    def withdraw(self, key: str) -> None:
        with suppress(FileNotFoundError), self._tree.upload(self._upload) as directory:
            disk.unlink(key.removeprefix(f"{self._upload}."), directory)


def complete(tree: Tree, upload: str, parts: Sequence[StoredPart]) -> str:
    """See BlobStore.complete_multipart."""
    wanted = tuple((part.key.removeprefix(f"{upload}."), part.size) for part in parts)
    with _directory(tree, upload) as directory:
        outcome = _outcome(directory)
        if outcome is None:
            for name, size in wanted:
                _check_part(directory, name, size)
            outcome = _complete(tree, directory, Outcome(wanted))
            _require_there(tree, upload)
        if outcome.parts is None:
            raise UploadGoneError("the upload was aborted")
        if outcome.parts != wanted:
            raise UploadGoneError("the upload was completed with other parts")
        # Whoever linked the outcome may have died before it was durable.
        disk.sync(directory)
        named = {OUTCOME, *(name for name, _ in wanted)}
        for name, _, _ in disk.files(directory):
            if name not in named:
                disk.unlink(name, directory)
    return str(MultipartKey(upload))


def abort(tree: Tree, upload: str) -> None:
    """See BlobStore.abort_multipart."""
    with suppress(UploadGoneError):
        with _directory(tree, upload) as directory:
            outcome = _outcome(directory) or _abort(tree, directory)
        if outcome.parts is None:
            _condemn(tree, upload)


def remove(tree: Tree, upload: str) -> None:
    """Remove a completed upload's blob. One that is not completed is no blob, and stays."""
    with suppress(UploadGoneError):
        with _directory(tree, upload) as directory:
            outcome = _outcome(directory)
        if outcome is not None and outcome.parts is not None:
            _condemn(tree, upload)


def open_parts(tree: Tree, upload: str) -> OpenParts:
    """Open a completed upload's blob. Raises BlobNotFoundError."""
    with disk.failing_as("opening a blob of parts", missing=BlobNotFoundError), ExitStack() as held:
        with tree.shard(tree.uploads, upload) as shard:
            directory = disk.open_directory(upload, shard)
        held.callback(disk.close, directory)
        outcome = disk.open_for_reading(OUTCOME, directory)
        held.callback(disk.close, outcome)
        # Refused by a remover that is at work; granted after one that is through, whose outcome has no name.
        if not disk.lock(outcome, disk.WRITING, shared=True) or os.fstat(outcome).st_nlink == 0:
            raise BlobNotFoundError("the blob was deleted")
        parts = _read_outcome(outcome).parts
        if parts is None:
            raise BlobNotFoundError("the upload was aborted")
        held.pop_all()
        return OpenParts(directory, outcome, parts, lambda: _finish(tree, upload))


def sweep(tree: Tree) -> None:
    """Finish what removers and readers that died began."""
    for name in disk.names(tree.tmp):
        _finish(tree, name)


def walk_completed(tree: Tree) -> Iterator[StoredBlob]:
    """Every blob of parts. One whose list of parts is damaged is not complete."""
    for shard in tree.shards(tree.uploads):
        for upload in disk.names(shard):
            if not layout.is_upload(upload):
                continue
            with suppress(FileNotFoundError, StoreCorruptError), tree.upload(upload) as directory:
                outcome = _outcome(directory)
                if outcome is not None and outcome.parts is not None:
                    # Whoever linked the outcome may have died before it was durable.
                    disk.sync(directory)
                    completed_at = os.stat(OUTCOME, dir_fd=directory, follow_symlinks=False).st_mtime
                    size = sum(size for _, size in outcome.parts)
                    yield StoredBlob(str(MultipartKey(upload)), size, completed_at, None)


@contextmanager
def _directory(tree: Tree, upload: str) -> Iterator[int]:
    if not layout.is_upload(upload):
        raise UploadGoneError("there is no such upload")
    with disk.failing_as("working on an upload", missing=UploadGoneError), tree.upload(upload) as directory:
        yield directory


def _refuse_if_ended(directory: int) -> None:
    if _outcome(directory) is not None:
        raise UploadGoneError("the upload has ended")


def _require_there(tree: Tree, upload: str) -> None:
    """Refuse what was just named in a directory that had been condemned, and its outcome cleared, before."""
    with _directory(tree, upload):
        pass


def _outcome(directory: int) -> Outcome | None:
    with disk.failing_as("reading how an upload ended"):
        try:
            fd = disk.open_for_reading(OUTCOME, directory)
        except FileNotFoundError:
            return None
        try:
            return _read_outcome(fd)
        finally:
            disk.close(fd)


def _read_outcome(fd: int) -> Outcome:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise StoreCorruptError("the list of a blob's parts is no file")
    return Outcome.decode(os.pread(fd, status.st_size, 0))


def _check_part(directory: int, name: str, size: int) -> None:
    if not layout.is_part_name(name):
        raise BlobNotFoundError("this is no part of the upload")
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        raise BlobNotFoundError("a part of the upload is not there") from None
    if not stat.S_ISREG(found.st_mode) or found.st_size != size:
        raise StoreCorruptError("a part of the upload is not as long as it was")


def _complete(tree: Tree, directory: int, outcome: Outcome) -> Outcome:
    """End the upload so, unless somebody ended it before: returns how it ended."""
    try:
        _publish(tree, directory, OUTCOME, outcome)
    except FileExistsError:
        return _ended(directory)
    return outcome


def _abort(tree: Tree, directory: int) -> Outcome:
    """End the upload, unless somebody ended it before: returns how it ended."""
    try:
        disk.link(ABORTED, directory, OUTCOME, directory)
        disk.sync(directory)
    except FileExistsError:
        return _ended(directory)
    except FileNotFoundError:
        # Its maker died before it was there.
        return _complete(tree, directory, Outcome(None))
    return Outcome(None)


def _ended(directory: int) -> Outcome:
    outcome = _outcome(directory)
    if outcome is None:
        raise UploadGoneError("the upload has just been removed")
    return outcome


def _publish(tree: Tree, directory: int, name: str, outcome: Outcome) -> None:
    draft = Draft(tree, directory)
    try:
        draft.write([outcome.encode()])
        draft.publish(name, directory)
    finally:
        draft.close()


def _condemn(tree: Tree, upload: str) -> None:
    """Take the directory to where no key leads, durably, and its files with it once nobody reads them."""
    with disk.failing_as("removing an upload", missing=UploadGoneError):
        with tree.shard(tree.uploads, upload) as shard:
            disk.rename(upload, shard, upload, tree.tmp)
            disk.sync(tree.tmp)
            disk.sync(shard)
        _clear(tree, upload)


def _finish(tree: Tree, upload: str) -> None:
    """Clear what was condemned, if it can be now; a store that starts later tries again."""
    with suppress(OSError):
        _clear(tree, upload)


def _clear(tree: Tree, upload: str) -> None:
    """Remove a condemned directory, unless readers hold it, or it is gone or was never condemned."""
    with suppress(FileNotFoundError), ExitStack() as held:
        directory = disk.open_directory(upload, tree.tmp)
        held.callback(disk.close, directory)
        with suppress(FileNotFoundError):
            outcome = disk.open_for_change(OUTCOME, directory)
            held.callback(disk.close, outcome)
            if not disk.lock(outcome, disk.WRITING):
                return
        # First the name that readers come in by.
        disk.unlink(OUTCOME, directory)
        while True:
            for name in disk.names(directory):
                disk.unlink(name, directory)
            try:
                disk.remove_directory(upload, tree.tmp)
            except OSError as error:
                # A part that was being named meanwhile.
                if error.errno != errno.ENOTEMPTY:
                    raise
            else:
                return
