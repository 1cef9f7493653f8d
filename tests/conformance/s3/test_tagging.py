"""Tags of objects, of their versions and of buckets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conformance.s3.refusal import refused


def _tagging(tags: Mapping[str, str]) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _tags(answer: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def test_set_replace_and_remove(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    put("key")
    where = {"Bucket": bucket, "Key": "key"}
    for tags in ({"a": "1", "b": ""}, {"Grüße": "x y+z=1@:/-_."}):
        s3.put_object_tagging(**where, Tagging=_tagging(tags))
        assert _tags(s3.get_object_tagging(**where)) == tags
        assert s3.head_object(**where)["TagCount"] == len(tags)
    s3.delete_object_tagging(**where)
    assert _tags(s3.get_object_tagging(**where)) == {}
    assert "TagCount" not in s3.head_object(**where)


@pytest.mark.parametrize(
    "tags",
    [
        {str(number): "" for number in range(11)},
        {"k" * 129: "long"},
        {"key": "v" * 257},
        {"aws:own": "reserved"},
        {"key": "no * here"},
    ],
)
def test_tags_that_cannot_be(s3: Any, bucket: str, put: Callable[..., Any], tags: dict[str, str]) -> None:
    put("key", Tagging="before=kept")
    with refused("InvalidTag", 400):
        s3.put_object_tagging(Bucket=bucket, Key="key", Tagging=_tagging(tags))
    assert _tags(s3.get_object_tagging(Bucket=bucket, Key="key")) == {"before": "kept"}


def test_a_key_twice(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    put("key")
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    with refused("InvalidTag", 400):
        s3.put_object_tagging(Bucket=bucket, Key="key", Tagging=twice)
    with refused("InvalidTag", 400):
        put("other", Tagging="a=1&a=2")
    assert [line["Key"] for line in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["key"]


def test_written_with_the_object(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    put("key", Tagging="b=%2F+x&a")
    assert _tags(s3.get_object_tagging(Bucket=bucket, Key="key")) == {"a": "", "b": "/ x"}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", Tagging="c=3")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"data")
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    assert _tags(s3.get_object_tagging(Bucket=bucket, Key="parts")) == {"c": "3"}
    put("key", Tagging="")
    assert _tags(s3.get_object_tagging(Bucket=bucket, Key="key")) == {}


@pytest.mark.parametrize(
    ("directives", "expected"),
    [
        ({}, {"a": "1"}),
        ({"MetadataDirective": "REPLACE", "Metadata": {"x": "y"}}, {"a": "1"}),
        ({"TaggingDirective": "COPY"}, {"a": "1"}),
        ({"TaggingDirective": "REPLACE", "Tagging": "b=2"}, {"b": "2"}),
        ({"TaggingDirective": "REPLACE"}, {}),
    ],
)
def test_copied(
    s3: Any, bucket: str, put: Callable[..., Any], directives: dict[str, Any], expected: dict[str, str]
) -> None:
    put("key", Tagging="a=1")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "key"}, **directives)
    assert _tags(s3.get_object_tagging(Bucket=bucket, Key="copy")) == expected


def test_a_version_has_tags_of_its_own(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first, second = (put("key", Tagging=f"n={number}")["VersionId"] for number in (1, 2))
    answer = s3.put_object_tagging(Bucket=bucket, Key="key", VersionId=first, Tagging=_tagging({"n": "one"}))
    assert answer["VersionId"] == first
    for version_id, value in ((first, "one"), (second, "2")):
        found = s3.get_object_tagging(Bucket=bucket, Key="key", VersionId=version_id)
        assert (_tags(found), found["VersionId"]) == ({"n": value}, version_id)
    with refused("NoSuchVersion", 404):
        s3.put_object_tagging(Bucket=bucket, Key="key", VersionId="0" * 32, Tagging=_tagging({}))


def test_what_is_not_there(s3: Any, bucket: str) -> None:
    with refused("NoSuchKey", 404):
        s3.put_object_tagging(Bucket=bucket, Key="key", Tagging=_tagging({"a": "1"}))


def test_of_a_bucket(s3: Any, bucket: str) -> None:
    tags = {str(number): "x" for number in range(50)}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=_tagging(tags))
    assert _tags(s3.get_bucket_tagging(Bucket=bucket)) == tags
    with refused("InvalidTag", 400):
        s3.put_bucket_tagging(Bucket=bucket, Tagging=_tagging(tags | {"one": "more"}))
    assert _tags(s3.get_bucket_tagging(Bucket=bucket)) == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)


def test_of_anothers_bucket(alt_s3: Any, bucket: str) -> None:
    with refused("AccessDenied", 403):
        alt_s3.put_bucket_tagging(Bucket=bucket, Tagging=_tagging({"a": "1"}))
