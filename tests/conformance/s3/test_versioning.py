"""Versions of objects: kept, listed page by page, read and removed one by one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.s3.refusal import refused
from tests.wire.requester import Requester


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    """A new bucket whose versioning is enabled."""
    _set(s3, bucket, "Enabled")
    return bucket


def _set(s3: Any, bucket: str, status: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def _write(s3: Any, bucket: str, key: str, *bodies: bytes) -> list[str]:
    return [s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"] for body in bodies]


def _lines(answer: dict[str, Any]) -> list[tuple[str, str, bool]]:
    found = answer.get("Versions", []) + answer.get("DeleteMarkers", [])
    return [(line["Key"], line["VersionId"], line["IsLatest"]) for line in found]


def test_status(s3: Any, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended", "Enabled"):
        _set(s3, bucket, status)
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status


def test_a_status_there_is_not(s3: Any, bucket: str, wire: Requester) -> None:
    with refused("MalformedXML", 400):
        _set(s3, bucket, "Off")
    refusal = wire.request(
        "PUT",
        f"/{bucket}?versioning",
        body=b"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"
        b"</VersioningConfiguration>",
    )
    assert (refusal.status, refusal.code) == (501, "NotImplemented")


def test_every_version_is_kept(s3: Any, versioned: str) -> None:
    first, second = _write(s3, versioned, "key", b"one", b"two")
    for version_id, body in ((first, b"one"), (second, b"two")):
        answer = s3.get_object(Bucket=versioned, Key="key", VersionId=version_id)
        assert (answer["Body"].read(), answer["VersionId"]) == (body, version_id)
    assert s3.get_object(Bucket=versioned, Key="key")["VersionId"] == second
    assert _lines(s3.list_object_versions(Bucket=versioned)) == [("key", second, True), ("key", first, False)]


def test_equal_bytes_are_versions_of_their_own(s3: Any, versioned: str) -> None:
    assert len(set(_write(s3, versioned, "key", b"same", b"same"))) == 2


def test_a_deletion_marks(s3: Any, versioned: str) -> None:
    (version_id,) = _write(s3, versioned, "key", b"data")
    marker = s3.delete_object(Bucket=versioned, Key="key")
    assert marker["DeleteMarker"]
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=versioned, Key="key")
    with refused("MethodNotAllowed", 405):
        s3.get_object(Bucket=versioned, Key="key", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=versioned, Key="key", VersionId=version_id)["Body"].read() == b"data"
    listed = s3.list_object_versions(Bucket=versioned)
    assert [line["IsLatest"] for line in listed["DeleteMarkers"]] == [True]
    assert [line["IsLatest"] for line in listed["Versions"]] == [False]
    removed = s3.delete_object(Bucket=versioned, Key="key", VersionId=marker["VersionId"])
    assert (removed["DeleteMarker"], removed["VersionId"]) == (True, marker["VersionId"])
    assert s3.get_object(Bucket=versioned, Key="key")["VersionId"] == version_id


def test_removing_the_current_version_brings_back_the_one_before(s3: Any, versioned: str) -> None:
    first, second = _write(s3, versioned, "key", b"one", b"two")
    s3.delete_object(Bucket=versioned, Key="key", VersionId=second)
    assert s3.get_object(Bucket=versioned, Key="key")["Body"].read() == b"one"
    s3.delete_object(Bucket=versioned, Key="key", VersionId=first)
    assert "Contents" not in s3.list_objects_v2(Bucket=versioned)
    with refused("NoSuchVersion", 404):
        s3.get_object(Bucket=versioned, Key="key", VersionId=first)


def test_the_null_version(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"before")
    _set(s3, bucket, "Enabled")
    _write(s3, bucket, "key", b"versioned")
    assert s3.get_object(Bucket=bucket, Key="key", VersionId="null")["Body"].read() == b"before"
    _set(s3, bucket, "Suspended")
    for body in (b"first", b"second"):
        s3.put_object(Bucket=bucket, Key="key", Body=body)
    assert s3.get_object(Bucket=bucket, Key="key", VersionId="null")["Body"].read() == b"second"
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 2
    s3.delete_object(Bucket=bucket, Key="key")
    listed = s3.list_object_versions(Bucket=bucket)
    assert [line["VersionId"] for line in listed["DeleteMarkers"]] == ["null"]
    assert len(listed["Versions"]) == 1


def test_a_copy_of_one_version(s3: Any, versioned: str) -> None:
    first, _ = _write(s3, versioned, "key", b"one", b"two")
    answer = s3.copy_object(
        Bucket=versioned, Key="copy", CopySource={"Bucket": versioned, "Key": "key", "VersionId": first}
    )
    assert answer["CopySourceVersionId"] == first
    assert s3.get_object(Bucket=versioned, Key="copy")["Body"].read() == b"one"


def test_a_batch_of_versions(s3: Any, versioned: str) -> None:
    first, second = _write(s3, versioned, "key", b"one", b"two")
    answer = s3.delete_objects(
        Bucket=versioned,
        Delete={"Objects": [{"Key": "key", "VersionId": first}, {"Key": "key", "VersionId": second}, {"Key": "none"}]},
    )
    assert {(line["Key"], line.get("VersionId")) for line in answer["Deleted"]} == {
        ("key", first),
        ("key", second),
        ("none", None),
    }


@pytest.mark.parametrize("most", [1, 2, 3, 1000])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages(s3: Any, versioned: str, most: int, delimiter: str) -> None:
    """Each line comes once and in its order, whatever the size of the pages."""
    expected: list[tuple[str, str]] = []
    for key in ("a", "b/1", "b/2", "b/3", "c", "d"):
        written = [(key, version_id) for version_id in reversed(_write(s3, versioned, key, b"1", b"2", b"3"))]
        expected += written if not (delimiter and "/" in key) else []
    if delimiter:
        expected.insert(3, ("b/", ""))
    found: list[tuple[str, str]] = []
    markers: dict[str, str] = {}
    while True:
        page = s3.list_object_versions(Bucket=versioned, MaxKeys=most, Delimiter=delimiter, **markers)
        lines = [(line["Key"], line["VersionId"]) for line in page.get("Versions", [])]
        assert [line["IsLatest"] for line in page.get("Versions", [])] == [
            line == next(one for one in expected if one[0] == line[0]) for line in lines
        ]
        lines += [(line["Prefix"], "") for line in page.get("CommonPrefixes", [])]
        assert len(lines) <= most
        found += lines
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"]}
        if "NextVersionIdMarker" in page:
            markers["VersionIdMarker"] = page["NextVersionIdMarker"]
    assert sorted(found) == sorted(expected)
    assert len(found) == len(expected)


def test_a_page_goes_on_where_its_marker_was_removed(s3: Any, versioned: str) -> None:
    versions = _write(s3, versioned, "key", b"1", b"2", b"3")
    page = s3.list_object_versions(Bucket=versioned, MaxKeys=2)
    s3.delete_object(Bucket=versioned, Key="key", VersionId=page["NextVersionIdMarker"])
    rest = s3.list_object_versions(
        Bucket=versioned, KeyMarker=page["NextKeyMarker"], VersionIdMarker=page["NextVersionIdMarker"]
    )
    assert _lines(rest) == [("key", versions[0], False)]


def test_prefix_encoding_and_markers(s3: Any, versioned: str, wire: Requester) -> None:
    _write(s3, versioned, "a b/ü", b"1")
    _write(s3, versioned, "other", b"1")
    document = wire.request("GET", f"/{versioned}?versions&prefix=a%20b&encoding-type=url").body
    assert b"<Key>a%20b/%C3%BC</Key>" in document
    assert b"<EncodingType>url</EncodingType>" in document
    assert b"other" not in document
    refusal = wire.request("GET", f"/{versioned}?versions&version-id-marker=x")
    assert (refusal.status, refusal.code) == (400, "InvalidArgument")


def test_versions_of_a_finalized_package_stay(s3: Any, versioned: str) -> None:
    """Neither the files of the manifest nor what a delete marker hides can change the package any more."""
    (kept,) = _write(s3, versioned, "run/kept", b"data")
    _write(s3, versioned, "run/dropped", b"data")
    marker = s3.delete_object(Bucket=versioned, Key="run/dropped")["VersionId"]
    s3.put_object(Bucket=versioned, Key="run/.artifact/finalize", Body=b"")
    for key, version_id in (("run/kept", kept), ("run/dropped", marker)):
        with refused("AccessDenied", 403):
            s3.delete_object(Bucket=versioned, Key=key, VersionId=version_id)
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=versioned, Key="run/kept")
    assert s3.head_object(Bucket=versioned, Key="run/kept")["ObjectLockMode"] == "COMPLIANCE"
