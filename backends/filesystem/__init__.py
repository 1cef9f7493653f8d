"""Blobs in a directory of a local (or network) file system."""

from backends.filesystem.store import FilesystemStore

__all__ = ["FilesystemStore"]
