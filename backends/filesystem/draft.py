"""A file on its way into the store: written first, durable next, named last."""

from __future__ import annotations

from contextlib import suppress

from backends.filesystem import disk, layout
from backends.filesystem.direct import DirectWriter
from backends.filesystem.layout import Tree
from backends.store import Buffers

DIRECT_FROM = 1 << 20
"""Announced bytes from which a file is written past the page cache. Who reads it first waits for the disk; that costs
less than the cache did, and what is smaller is more likely to be read soon."""


class Draft:
    """A new file nobody can see. `publish` makes it durable under its name; without that `close` forgets it.

    The file has no name at all (O_TMPFILE), so a crash leaves nothing; where the file system does not
    know that, it has one under `tmp` and a lock that tells the sweeper that somebody is still writing.
    """

    def __init__(self, tree: Tree, directory: int, size: int | None = None) -> None:
        """`size`: the bytes that were announced, a claim."""
        self._tree = tree
        self._name: str | None = None
        fd = disk.open_unnamed(directory)
        if fd is None:
            self._name = layout.new_id()
            fd = disk.open_new(self._name, tree.tmp)
            disk.lock(fd, disk.WRITING)
        self.fd = fd
        self.size = 0
        self._direct: DirectWriter | None = None
        if size is not None and size >= DIRECT_FROM and disk.pass_page_cache(fd):
            self._direct = DirectWriter(fd)

    def write(self, buffers: Buffers) -> None:
        if self._direct is None:
            self.size = disk.write(self.fd, buffers, self.size)
        else:
            self._direct.write(buffers)

    def publish(self, name: str, directory: int) -> None:
        """Bytes durable, then the name, then the name durable. Raises FileExistsError rather than replace.

        After an error there is no such name. The descriptor stays open.
        """
        if self._direct is not None:
            self._direct.end()
        disk.sync(self.fd)
        if self._name is None:
            disk.link_unnamed(self.fd, name, directory)
        else:
            disk.link(self._name, self._tree.tmp, name, directory)
            disk.unlink(self._name, self._tree.tmp)
            self._name = None
        try:
            disk.sync(directory)
        except OSError:
            with suppress(OSError):
                disk.unlink(name, directory)
            raise

    def close(self) -> None:
        """Let go; what was not published is gone."""
        if self._name is not None:
            disk.unlink(self._name, self._tree.tmp)
        disk.close(self.fd)


def sweep(tree: Tree) -> None:
    """Drop the drafts whose writers died."""
    for name, _, _ in disk.files(tree.tmp):
        with suppress(OSError):
            fd = disk.open_for_change(name, tree.tmp)
            try:
                if disk.lock(fd, disk.WRITING):
                    disk.unlink(name, tree.tmp)
            finally:
                disk.close(fd)
