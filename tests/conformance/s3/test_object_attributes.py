"""GetObjectAttributes: what is asked for, and nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from tests.conformance.s3.refusal import refused
from tests.wire.requester import Requester

EVERYTHING = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
PART = 5 * 1024 * 1024


def test_of_an_object_that_came_whole(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    sha256 = base64.b64encode(hashlib.sha256(b"data").digest()).decode()
    etag = put("key", ChecksumSHA256=sha256)["ETag"]
    answer = s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=EVERYTHING)
    assert answer["ETag"] == etag.strip('"')
    assert answer["Checksum"] == {"ChecksumSHA256": sha256, "ChecksumType": "FULL_OBJECT"}
    assert (answer["StorageClass"], answer["ObjectSize"]) == ("STANDARD", 4)
    assert "ObjectParts" not in answer


def test_only_what_is_asked_for(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    put("key")
    answer = s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["ObjectSize"])
    assert set(answer) == {"ObjectSize", "LastModified", "ResponseMetadata"}


def test_parts_by_the_page(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "key"}
    upload = s3.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, body in ((1, bytes(PART)), (2, b"end")):
        sent = s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": sent["ChecksumSHA256"]})
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    marker, found = 0, []
    for truncated in (True, False):
        page = s3.get_object_attributes(**where, ObjectAttributes=EVERYTHING, MaxParts=1, PartNumberMarker=marker)[
            "ObjectParts"
        ]
        assert (page["TotalPartsCount"], page["IsTruncated"], page["MaxParts"]) == (2, truncated, 1)
        marker = page["NextPartNumberMarker"]
        found += page["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in found] == [(1, PART), (2, 3)]
    assert [part["ChecksumSHA256"] for part in found] == [part["ChecksumSHA256"] for part in parts]


def test_of_one_version(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = put("key", b"one")["VersionId"]
    put("key", b"second")
    answer = s3.get_object_attributes(Bucket=bucket, Key="key", VersionId=first, ObjectAttributes=["ObjectSize"])
    assert (answer["ObjectSize"], answer["VersionId"]) == (3, first)


def test_refusals(s3: Any, bucket: str, put: Callable[..., Any], wire: Requester) -> None:
    put("key")
    with refused("InvalidArgument", 400):
        s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["Colour"])
    with refused("NoSuchKey", 404):
        s3.get_object_attributes(Bucket=bucket, Key="other", ObjectAttributes=["ETag"])
    refusal = wire.request("GET", f"/{bucket}/key?attributes")
    assert (refusal.status, refusal.code) == (400, "InvalidRequest")
