"""What a profile is: a reader of one producer's directories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Description:
    """What a directory says of itself, in the registry's words."""

    name: str
    """Of the package."""
    metadata: Mapping[str, Any]
    producer: str
    retention_class: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a directory; `path` is relative to it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class FaultyDirectoryError(Exception):
    """The directory is not what its producer promises. Names everything that is wrong at once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))
