"""ListObjects and ListObjectsV2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.s3.refusal import refused
from tests.wire.requester import Requester

KEYS = ["a", "a/1", "a/2", "b c+d", "quux/x", "z<&>", "ä", "🎉"]


@pytest.fixture
def filled(bucket: str, put: Callable[..., Any]) -> str:
    for key in KEYS:
        put(key)
    return bucket


def keys(page: dict[str, Any]) -> list[str]:
    return [found["Key"] for found in page.get("Contents", [])]


def prefixes(page: dict[str, Any]) -> list[str]:
    return [found["Prefix"] for found in page.get("CommonPrefixes", [])]


def test_keys_are_in_byte_order(s3: Any, filled: str) -> None:
    assert keys(s3.list_objects_v2(Bucket=filled)) == KEYS
    assert keys(s3.list_objects(Bucket=filled)) == KEYS


def test_what_a_line_says(s3: Any, filled: str) -> None:
    line = s3.list_objects_v2(Bucket=filled, FetchOwner=True, MaxKeys=1)["Contents"][0]
    head = s3.head_object(Bucket=filled, Key="a")
    assert (line["ETag"], line["Size"], line["StorageClass"]) == (head["ETag"], 4, "STANDARD")
    assert line["LastModified"] == head["LastModified"]
    assert line["Owner"]["ID"] == s3.list_buckets()["Owner"]["ID"]
    assert "Owner" not in s3.list_objects_v2(Bucket=filled)["Contents"][0]
    assert "Owner" in s3.list_objects(Bucket=filled)["Contents"][0]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages(s3: Any, filled: str, size: int) -> None:
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=filled, PaginationConfig={"PageSize": size}))
    assert [key for page in pages for key in keys(page)] == KEYS
    assert all(page["KeyCount"] <= size for page in pages)
    assert [page["IsTruncated"] for page in pages] == [True] * (len(pages) - 1) + [False]
    pages = list(s3.get_paginator("list_objects").paginate(Bucket=filled, PaginationConfig={"PageSize": size}))
    assert [key for page in pages for key in keys(page)] == KEYS


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_delimiter(s3: Any, filled: str, operation: str, size: int) -> None:
    pages = list(
        s3.get_paginator(operation).paginate(Bucket=filled, Delimiter="/", PaginationConfig={"PageSize": size})
    )
    assert [key for page in pages for key in keys(page)] == ["a", "b c+d", "z<&>", "ä", "🎉"]
    assert [prefix for page in pages for prefix in prefixes(page)] == ["a/", "quux/"]


def test_prefix(s3: Any, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, Prefix="a")
    assert (keys(page), page["Prefix"]) == (["a", "a/1", "a/2"], "a")
    page = s3.list_objects_v2(Bucket=filled, Prefix="a/", Delimiter="/")
    assert (keys(page), prefixes(page)) == (["a/1", "a/2"], [])
    assert s3.list_objects_v2(Bucket=filled, Prefix="nothing")["KeyCount"] == 0


def test_a_delimiter_of_any_text(s3: Any, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, Delimiter="x/")
    assert prefixes(page) == ["quux/"]
    page = s3.list_objects_v2(Bucket=filled, Delimiter="\n")
    assert (page["Delimiter"], len(keys(page))) == ("\n", len(KEYS))
    assert "Delimiter" not in s3.list_objects_v2(Bucket=filled, Delimiter="")


def test_start_after_and_marker(s3: Any, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, StartAfter="b c+d")
    assert (keys(page), page["StartAfter"]) == (["quux/x", "z<&>", "ä", "🎉"], "b c+d")
    page = s3.list_objects(Bucket=filled, Marker="b")
    assert (keys(page)[0], page["Marker"]) == ("b c+d", "b")


def test_a_token_beats_start_after(s3: Any, filled: str) -> None:
    token = s3.list_objects_v2(Bucket=filled, MaxKeys=2)["NextContinuationToken"]
    page = s3.list_objects_v2(Bucket=filled, ContinuationToken=token, StartAfter="z")
    assert keys(page)[0] == "a/2"
    assert page["ContinuationToken"] == token


def test_an_empty_token_is_none(s3: Any, filled: str) -> None:
    assert keys(s3.list_objects_v2(Bucket=filled, ContinuationToken="")) == KEYS


def test_a_token_that_was_never_given(s3: Any, filled: str) -> None:
    for token in ("nonsense", "ü"):
        with refused("InvalidArgument", 400):
            s3.list_objects_v2(Bucket=filled, ContinuationToken=token)


def test_max_keys(s3: Any, filled: str) -> None:
    none = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (none["KeyCount"], none["IsTruncated"], none["MaxKeys"]) == (0, False, 0)
    assert s3.list_objects_v2(Bucket=filled, MaxKeys=5000)["MaxKeys"] == 1000
    for said in (-1, 2**31):
        with refused("InvalidArgument", 400):
            s3.list_objects_v2(Bucket=filled, MaxKeys=said)


def test_url_encoding(wire: Requester, filled: str) -> None:
    body = wire.request("GET", f"/{filled}?list-type=2&encoding-type=url&prefix=b%20&start-after=a%20%2B").body
    assert b"<Key>b%20c%2Bd</Key>" in body
    assert b"<Prefix>b%20</Prefix>" in body
    assert b"<StartAfter>a%20%2B</StartAfter>" in body
    assert b"<EncodingType>url</EncodingType>" in body
    assert b"<Prefix>a/</Prefix>" in wire.request("GET", f"/{filled}?encoding-type=url&delimiter=/").body


def test_without_encoding_xml_is_escaped(wire: Requester, filled: str) -> None:
    body = wire.request("GET", f"/{filled}").body
    assert b"<Key>z&lt;&amp;&gt;</Key>" in body
    assert "<Key>ä</Key>".encode() in body
    assert b"&quot;" in body


def test_an_unknown_encoding(wire: Requester, filled: str) -> None:
    assert wire.request("GET", f"/{filled}?encoding-type=base64").code == "InvalidArgument"


def test_a_prefix_that_is_no_utf_8(wire: Requester, filled: str) -> None:
    assert wire.request("GET", f"/{filled}?prefix=%ff").code == "InvalidURI"


def test_raw_slashes_in_the_query(wire: Requester, filled: str) -> None:
    assert wire.request("GET", f"/{filled}?list-type=2&prefix=a/").body.count(b"<Key>") == 2


def test_a_listing_shows_a_write_at_once(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    for number in range(20):
        put(f"key-{number:02}")
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == number + 1
