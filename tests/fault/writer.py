"""A process that writes, and tells on its standard output what was acknowledged.

Run as `python -m tests.fault.writer DATABASE_URL DIRECTORY NAME ROUNDS`. Each of a few tasks puts its own keys of
package NAME over and over; after each answer it prints `KEY ROUND`. What is in a key says which round it is of,
so that a reader can tell an older write from a newer one and a whole one from a torn one.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from backends.filesystem import FilesystemStore
from registry.model import Actor, FileAttributes
from registry.registry import Registry
from tests.registry.world import Bytes

TASKS = 6
KEYS = 5
"""Per task."""

REPOSITORY = "evidence"


def content(key: str, round_number: int) -> bytes:
    """What a round writes to a key: a line that says so, and filling; small and large ones in turn."""
    size = (100, 3_000, 70_000, 300_000)[round_number % 4]
    line = f"{key} {round_number}\n".encode()
    return line + random.Random(line).randbytes(size)


def round_of(key: str, data: bytes) -> int:
    """The round that wrote the data. Raises AssertionError unless it is exactly what a round writes."""
    number = int(data.partition(b"\n")[0].split()[-1])
    assert data == content(key, number)
    return number


async def write(database_url: str, directory: Path, name: str, rounds: int) -> None:
    store = FilesystemStore(directory)
    await store.open()
    registry = Registry(database_url=database_url, store=store, master_key=bytes(32))
    await registry.open()
    account = await registry.accounts.get("root")
    actor = Actor(account.id, account.name, administrator=True)

    async def task(number: int) -> None:
        for turn in range(rounds):
            key = f"{name}/{number}/{turn % KEYS}"
            data = content(key, turn)
            await registry.files.put(actor, REPOSITORY, key, Bytes(data), FileAttributes())
            print(key, turn, flush=True)

    await asyncio.gather(*(task(number) for number in range(TASKS)))
    await registry.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
