"""Deletions that depend on what is there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conformance.s3.refusal import refused

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "condition", [{"IfMatch": '"other"'}, {"IfMatchSize": 5}, {"IfMatchLastModifiedTime": LONG_AGO}]
)
def test_a_condition_that_does_not_hold(
    s3: Any, bucket: str, put: Callable[..., Any], condition: dict[str, Any]
) -> None:
    put("key")
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="key", **condition)
    assert s3.head_object(Bucket=bucket, Key="key")["ContentLength"] == 4


def test_conditions_that_hold(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    for number in range(4):
        put("key", str(number).encode())
        head = s3.head_object(Bucket=bucket, Key="key")
        condition = [
            {"IfMatch": head["ETag"]},
            {"IfMatch": "*"},
            {"IfMatchSize": 1},
            {"IfMatchLastModifiedTime": head["LastModified"]},
        ][number]
        s3.delete_object(Bucket=bucket, Key="key", **condition)
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_what_is_not_there_needs_no_deletion(s3: Any, bucket: str) -> None:
    s3.delete_object(Bucket=bucket, Key="key", IfMatch='"any"')


def test_a_batch_checks_each_by_itself(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    etag, modified = put("match")["ETag"], datetime.now(UTC) - timedelta(days=1)
    for key in ("etag", "size", "time"):
        put(key)
    answer = s3.delete_objects(
        Bucket=bucket,
        Delete={
            "Objects": [
                {"Key": "match", "ETag": etag},
                {"Key": "etag", "ETag": "other"},
                {"Key": "size", "Size": 3},
                {"Key": "time", "LastModifiedTime": modified},
            ]
        },
    )
    assert [line["Key"] for line in answer["Deleted"]] == ["match"]
    assert {line["Key"]: line["Code"] for line in answer["Errors"]} == dict.fromkeys(
        ("etag", "size", "time"), "PreconditionFailed"
    )


def test_a_version_is_held_against_its_own(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first, second = put("key", b"one"), put("key", b"two")
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="key", VersionId=first["VersionId"], IfMatch=second["ETag"])
    s3.delete_object(Bucket=bucket, Key="key", VersionId=first["VersionId"], IfMatch=first["ETag"])
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="key", IfMatch=first["ETag"])
    s3.delete_object(Bucket=bucket, Key="key", IfMatch=second["ETag"])
    (marker,) = s3.list_object_versions(Bucket=bucket)["DeleteMarkers"]
    assert marker["IsLatest"]
