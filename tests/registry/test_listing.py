"""Listings agree with a sorted set of keys, whatever prefix, delimiter, marker and page size."""

from __future__ import annotations

import os
import random

import pytest
from sqlalchemy import insert

from registry.db import schema
from registry.listing import common_prefix, following
from registry.model import ListPage
from tests.registry.world import World

KEYS = sorted(
    {
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a/b/d",
        "a//x",
        "a0",
        "aé",
        "a\U0001f600",
        "b",
        "b/1",
        "b/2",
        "c%20d",
        "c+d",
        "c d",
        "z\U0010ffff",
        "z\U0010ffff/x",
        "é/1",
        "é/2",
        "A",
        "_",
        "-",
        "a\ud7ff/x",
        "a\ue000/y",
        *(f"run-{run:03}/report/{file:02}.json" for run in range(12) for file in range(7)),
    },
    key=str.encode,
)


def expected(prefix: str, delimiter: str, after: str) -> list[str]:
    lines: list[str] = []
    for key in KEYS:
        if not key.startswith(prefix):
            continue
        line = common_prefix(key, prefix, delimiter) or key
        rolled_away = line != key and line == after
        if key.encode() > after.encode() and not rolled_away and line not in lines[-1:]:
            lines.append(line)
    return lines


def lines_of(page: ListPage) -> list[str]:
    return sorted([file.key for file in page.files] + list(page.prefixes), key=str.encode)


@pytest.fixture
async def listed(world: World) -> World:
    await world.repository()
    rows = [
        {
            "repository_id": 1,
            "key": key,
            "size": 1,
            "etag": "e",
            "modified_at": 1,
            "storage_class": "STANDARD",
            "created_by": "x",
        }
        for key in KEYS
    ]
    async with world.registry._database.transaction() as connection:
        await connection.execute(insert(schema.files), rows)
    return world


@pytest.mark.parametrize("delimiter", ["", "/", "b", "report/", "\U0010ffff"])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b/", "run-00", "run-003/", "é", "z\U0010ffff", "nothing"])
async def test_pages_join_to_the_whole(listed: World, prefix: str, delimiter: str) -> None:
    for limit in (1, 3, 1000):
        found: list[str] = []
        after = ""
        while True:
            page = await listed.registry.files.list(
                listed.alice, "evidence", prefix=prefix, delimiter=delimiter, after=after, limit=limit
            )
            assert len(page.files) + len(page.prefixes) <= limit
            found += lines_of(page)
            if page.next is None:
                break
            after = page.next
        assert found == expected(prefix, delimiter, "")


async def test_from_anywhere(listed: World) -> None:
    chosen = random.Random(7)  # the same on every run
    for _ in range(150):
        prefix = chosen.choice(["", "a", "a/", "run-", "é/"])
        delimiter = chosen.choice(["", "/"])
        after = chosen.choice([*KEYS, "a/b", "run-005", "run-005/", "zz", "a/b/cc", "\U0010ffff"])
        page = await listed.registry.files.list(
            listed.alice, "evidence", prefix=prefix, delimiter=delimiter, after=after, limit=1000
        )
        assert lines_of(page) == expected(prefix, delimiter, after), (prefix, delimiter, after)


def test_the_string_that_follows_a_prefix() -> None:
    assert following("a") == "b"
    assert following("a/") == "a0"
    assert following("\ud7ff") == "\ue000"
    assert following("a\U0010ffff") == "b"
    assert following("\U0010ffff") is None
    assert following("") is None


async def test_no_line_is_no_page(listed: World) -> None:
    page = await listed.registry.files.list(listed.alice, "evidence", limit=0)
    assert (page.files, page.prefixes, page.next) == ((), (), None)


async def test_file_lines_carry_what_listings_show(world: World) -> None:
    await world.repository()
    version = await world.put("run/a", os.urandom(10))
    page = await world.registry.files.list(world.root, "evidence")
    line = page.files[0]
    assert (line.size, line.etag, line.modified_at) == (10, version.etag, version.created_at)
    assert (line.owner_name, line.checksum_algorithm) == ("alice", "CRC64NVME")
