"""Ranges and conditions."""

from __future__ import annotations

import pytest

from gateway.http.conditions import COPY_SOURCE, is_modified, matches
from gateway.http.ranges import content_range, parse_range
from registry.errors import InvalidRangeError, PreconditionFailedError

MODIFIED_AT = 1_700_000_000_900_000
SAME, EARLIER, LATER = (
    "Tue, 14 Nov 2023 22:13:20 GMT",
    "Tue, 14 Nov 2023 22:13:19 GMT",
    "Tue, 14 Nov 2023 22:13:21 GMT",
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 10)),
        ("bytes=0-0", (0, 1)),
        ("bytes=2-4", (2, 5)),
        ("bytes=5-100", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-100", (0, 10)),
        ("Bytes = 1-2", (1, 3)),
        ("bytes=4-2", None),
        ("bytes=1-2,4-5", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1", None),
        ("lines=1-2", None),
        ("bytes=\u0661-", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_parse_range(header: str | None, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]
)
def test_a_range_past_the_end(header: str, size: int) -> None:
    with pytest.raises(InvalidRangeError):
        parse_range(header, size)


def test_content_range() -> None:
    assert content_range(2, 5, 10) == "bytes 2-4/10"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, True),
        ({"if-match": '"e"'}, True),
        ({"if-match": '"x", "e"'}, True),
        ({"if-match": "*"}, True),
        ({"if-match": "e", "if-unmodified-since": EARLIER}, True),
        ({"if-match": '"x"'}, None),
        ({"if-unmodified-since": EARLIER}, None),
        ({"if-unmodified-since": SAME}, True),
        ({"if-none-match": '"e"'}, False),
        ({"if-none-match": 'W/"e"'}, False),
        ({"if-none-match": "*"}, False),
        ({"if-none-match": '"x"'}, True),
        ({"if-none-match": '"x"', "if-modified-since": LATER}, True),
        ({"if-modified-since": SAME}, False),
        ({"if-modified-since": EARLIER}, True),
        ({"if-modified-since": "yesterday"}, True),
        ({"if-unmodified-since": "yesterday"}, True),
        ({"if-match": "e", "if-none-match": "e"}, False),
    ],
)
def test_conditions(headers: dict[str, str], expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(PreconditionFailedError):
            is_modified(headers, "e", MODIFIED_AT)
    else:
        assert is_modified(headers, "e", MODIFIED_AT) is expected


def test_conditions_on_the_source_of_a_copy() -> None:
    assert is_modified({"if-match": "x"}, "e", MODIFIED_AT, COPY_SOURCE)
    with pytest.raises(PreconditionFailedError):
        is_modified({"x-amz-copy-source-if-match": "x"}, "e", MODIFIED_AT, COPY_SOURCE)


def test_matches() -> None:
    assert not matches('"ee"', "e")
    assert matches("e", "e")
