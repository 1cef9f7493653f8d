"""Files to S3, against an S3 that remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.cli.s3 import S3, Part
from gateway.cli.tree import PART, HashedFile, hashed, scan
from gateway.cli.upload import media_type_of, upload
from tests.fixtures import trees


class Remembering:
    """S3 with, perhaps, an upload that was left behind."""

    def __init__(self, left_behind: list[Part] | None = None) -> None:
        self.asked: list[Any] = []
        self._left_behind = left_behind

    async def put(self, bucket: str, key: str, body: Any, *, content_type: str | None) -> None:
        self.asked.append(("put", bucket, key, body.sha256, content_type))

    async def find_upload(self, bucket: str, key: str) -> str | None:
        return None if self._left_behind is None else "left-behind"

    async def parts(self, bucket: str, key: str, upload_id: str) -> AsyncIterator[Part]:
        for part in self._left_behind or ():
            yield part

    async def create_upload(self, bucket: str, key: str, *, content_type: str | None) -> str:
        return "new"

    async def put_part(self, bucket: str, key: str, upload_id: str, number: int, body: Any) -> Part:
        self.asked.append(("part", upload_id, number))
        return Part(number, body.size, f"etag-{number}", body.sha256)

    async def complete_upload(self, bucket: str, key: str, upload_id: str, parts: list[Part]) -> None:
        self.asked.append(("complete", upload_id, [(part.number, part.etag) for part in parts]))


@pytest.fixture
def big(tmp_path: Path) -> HashedFile:
    trees.write_big_file(tmp_path / "big.bin", 2 * PART + 1)
    return hashed(scan(tmp_path, "p")[0][0])


async def sent(s3: Remembering, file: HashedFile) -> int:
    arrived: list[int] = []
    await upload(cast(S3, s3), "bucket", f"p/{file.path}", file, arrived.append)
    return sum(arrived)


async def test_a_small_file_goes_in_one_request(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("report\n")
    file = hashed(scan(tmp_path, "p")[0][0])
    s3 = Remembering()
    assert await sent(s3, file) == 7
    assert s3.asked == [("put", "bucket", "p/report.md", file.sha256, "text/markdown")]


async def test_a_large_file_goes_in_parts(big: HashedFile) -> None:
    s3 = Remembering()
    assert await sent(s3, big) == big.size
    assert sorted(s3.asked[:-1]) == [("part", "new", 1), ("part", "new", 2), ("part", "new", 3)]
    assert s3.asked[-1] == ("complete", "new", [(1, "etag-1"), (2, "etag-2"), (3, "etag-3")])


async def test_parts_that_came_before_are_not_sent_again(big: HashedFile) -> None:
    first, second, third = big.slices
    s3 = Remembering(
        [Part(1, first.size, "kept", first.sha256), Part(2, second.size, "other", third.sha256), Part(4, 1, "x", "")]
    )
    assert await sent(s3, big) == big.size
    assert sorted(s3.asked[:-1]) == [("part", "left-behind", 2), ("part", "left-behind", 3)]
    assert s3.asked[-1] == ("complete", "left-behind", [(1, "kept"), (2, "etag-2"), (3, "etag-3")])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.json", "application/json"),
        ("a/b.tar.gz", "application/gzip"),
        ("log.txt.xz", "application/x-xz"),
        ("a.br", None),
        ("blobs/sha256/0f0f", None),
    ],
)
def test_media_types(name: str, expected: str | None) -> None:
    assert media_type_of(name) == expected
