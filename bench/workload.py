"""The workloads: what is asked of every server, how big, by how many clients at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random

from bench.request import MIB

KIB = 1024


class Operation(Enum):
    PUT = "PUT"
    GET = "GET"
    LIST = "ListObjectsV2"


@dataclass(frozen=True, slots=True)
class Workload:
    """`size` is that of a body in bytes; of a list, the keys of a page. `objects`: what there is to GET or list."""

    operation: Operation
    size: int
    clients: int
    objects: int = 0

    @property
    def name(self) -> str:
        what = f"page of {self.size:,} in {self.objects:,} keys" if self.operation is Operation.LIST else self._bytes()
        return f"{self.operation.value} {what} x {self.clients}"

    @property
    def slug(self) -> str:
        return f"{self.operation.value}-{self.size}-{self.clients}".lower()

    def _bytes(self) -> str:
        return f"{self.size // MIB} MiB" if self.size >= MIB else f"{self.size // KIB} KiB"

    @property
    def moves_bytes(self) -> bool:
        """Its rate is told in bytes per second; that of others in requests per second."""
        return self.operation is not Operation.LIST and self.size >= MIB


SIZES = (4 * KIB, MIB, 256 * MIB)
PAGE = 1000


def workloads(*, listed: int) -> tuple[Workload, ...]:
    """`listed`: how many keys the listed prefix has."""
    put, get = Operation.PUT, Operation.GET
    return (
        Workload(put, 4 * KIB, 64),
        Workload(put, 4 * KIB, 1),
        Workload(put, MIB, 16),
        Workload(put, 256 * MIB, 1),
        Workload(get, 4 * KIB, 64, objects=1024),
        Workload(get, MIB, 64, objects=64),
        Workload(get, 256 * MIB, 1, objects=1),
        Workload(get, 256 * MIB, 8, objects=1),
        Workload(Operation.LIST, PAGE, 1, objects=listed),
    )


def stored_key(size: int, number: int) -> str:
    """The key of an object that is there to be read; keys are in the order of their numbers."""
    return f"stored/{size}/{number // 1000:04}/{number:07}"


def listed_key(number: int) -> str:
    return f"listed/{number // 1000:04}/{number:07}"


def page_starts(objects: int, count: int) -> list[str]:
    """Keys behind each of which a whole page of listed keys follows; the same ones in every run."""
    random = Random(objects)
    return [listed_key(random.randrange(max(1, objects - PAGE))) for _ in range(count)]
