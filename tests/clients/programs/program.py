"""The command line of the programs beside this file: VERB [TREE] BUCKET PREFIX."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol


class Verbs(Protocol):
    """Raises whatever the library raises."""

    def push(self, files: Iterable[tuple[Path, str]], bucket: str) -> None:
        """Upload each path under its key."""

    def list(self, bucket: str, prefix: str) -> Iterable[tuple[str, int]]:
        """Key and size of everything below the prefix."""

    def pull(self, bucket: str, files: Iterable[tuple[str, Path]]) -> None:
        """Download each key to its path."""

    def remove(self, bucket: str, keys: list[str]) -> None:
        """Delete every key."""


ENDPOINT = os.environ["S3_ENDPOINT"]
REGION = os.environ["AWS_REGION"]
ACCESS_KEY = os.environ["AWS_ACCESS_KEY_ID"]
SECRET_KEY = os.environ["AWS_SECRET_ACCESS_KEY"]
CA_FILE = os.environ.get("AWS_CA_BUNDLE")
PART_SIZE = 5 << 20


def main(verbs: Verbs) -> None:
    verb, *arguments = sys.argv[1:]
    if verb == "list":
        bucket, prefix = arguments
        for key, size in verbs.list(bucket, prefix):
            print(size, key, sep="\t")
    elif verb == "push":
        tree, bucket, prefix = arguments
        verbs.push(_files(Path(tree), prefix), bucket)
    elif verb == "pull":
        tree, bucket, prefix = arguments
        verbs.pull(bucket, _targets(verbs, bucket, prefix, Path(tree)))
    elif verb == "remove":
        bucket, prefix = arguments
        verbs.remove(bucket, [key for key, _ in verbs.list(bucket, prefix)])
    else:
        sys.exit(f"unknown verb: {verb}")


def _files(tree: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            yield path, prefix + path.relative_to(tree).as_posix()


def _targets(verbs: Verbs, bucket: str, prefix: str, tree: Path) -> Iterator[tuple[str, Path]]:
    for key, _ in verbs.list(bucket, prefix):
        path = tree / key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        yield key, path
