"""Processes that share a database and a store, and processes that are killed: what was acknowledged is there."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from backends.filesystem import FilesystemStore
from registry.db.migrate import migrate
from tests.fault.writer import KEYS, REPOSITORY, TASKS, round_of
from tests.registry.world import World

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def prepared(database_url: str, tmp_path: Path) -> Path:
    """A database with an empty repository; the directory of its blobs."""
    await migrate(database_url)
    world = await World.open(database_url, FilesystemStore(tmp_path / "blobs"))
    await world.repository(REPOSITORY)
    await world.close()
    return tmp_path / "blobs"


async def start(database_url: str, blobs: Path, name: str, rounds: int) -> Process:
    program = [sys.executable, "-m", "tests.fault.writer", database_url, str(blobs), name, str(rounds)]
    return await asyncio.create_subprocess_exec(*program, cwd=ROOT, stdout=PIPE, stderr=PIPE)


async def acknowledged(process: Process) -> dict[str, int]:
    """The last round of each key that the process was answered, read until it ends."""
    assert process.stdout is not None
    told: dict[str, int] = {}
    async for line in process.stdout:
        if line.endswith(b"\n"):  # a kill may cut the last one
            key, _, number = line.decode().partition(" ")
            told[key] = int(number)
    await process.wait()
    return told


async def check(database_url: str, blobs: Path, told: dict[str, int]) -> None:
    """Every key holds whole what was acknowledged last, or something newer; packages add up."""
    world = await World.open(database_url, FilesystemStore(blobs))
    found = {key: round_of(key, await world.read(key)) for key in await world.keys()}
    assert {key: number for key, number in told.items() if found.get(key, -1) < number} == {}
    assert await world.packages() == await world.recounted()
    named = await world.storage_keys()
    assert named <= {blob.key async for blob in world.store.walk()}
    await world.close()


async def test_processes_side_by_side(database_url: str, prepared: Path) -> None:
    rounds = 12
    writers = [await start(database_url, prepared, f"run-{number}", rounds) for number in range(3)]
    told = await asyncio.gather(*(acknowledged(writer) for writer in writers))
    for writer in writers:
        assert writer.stderr is not None
        assert (writer.returncode, (await writer.stderr.read()).decode()) == (0, "")
    assert all(len(keys) == TASKS * KEYS for keys in told)
    await check(database_url, prepared, {key: number for keys in told for key, number in keys.items()})


async def test_killed_at_any_moment(database_url: str, prepared: Path) -> None:
    told: dict[str, int] = {}
    chosen = random.Random(2)
    for life in range(8):
        process = await start(database_url, prepared, f"run-{life}", 1_000_000)
        assert process.stdout is not None
        first = (await process.stdout.readline()).decode().split()
        told[first[0]] = int(first[1])
        reading = asyncio.create_task(acknowledged(process))
        await asyncio.sleep(chosen.uniform(0, 0.15))
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        told |= await reading
        assert process.returncode == -signal.SIGKILL
        await check(database_url, prepared, told)
