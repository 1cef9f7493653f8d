"""CopyObject and UploadPartCopy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.conformance.s3.refusal import refused
from tests.wire.requester import Requester

Put = Callable[..., Any]


def test_a_copy_takes_bytes_and_attributes(s3: Any, bucket: str, put: Put) -> None:
    put("from", b"bytes", ContentType="text/plain", Metadata={"a": "1"}, ChecksumAlgorithm="SHA256")
    answer = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"})
    assert answer["CopyObjectResult"]["ETag"] == s3.head_object(Bucket=bucket, Key="from")["ETag"]
    assert answer["CopyObjectResult"]["ChecksumSHA256"]
    found = s3.get_object(Bucket=bucket, Key="to")
    assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (b"bytes", "text/plain", {"a": "1"})


def test_replacing_attributes(s3: Any, bucket: str, put: Put) -> None:
    put("key", ContentType="text/plain", Metadata={"a": "1"})
    s3.copy_object(
        Bucket=bucket,
        Key="key",
        CopySource=f"{bucket}/key",
        MetadataDirective="REPLACE",
        Metadata={"b": "2"},
        ContentType="text/html",
    )
    found = s3.head_object(Bucket=bucket, Key="key")
    assert (found["Metadata"], found["ContentType"]) == ({"b": "2"}, "text/html")


def test_a_copy_onto_itself_has_to_change_something(s3: Any, bucket: str, put: Put) -> None:
    put("key")
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="key", CopySource=f"{bucket}/key")
    s3.copy_object(Bucket=bucket, Key="key", CopySource=f"{bucket}/key", StorageClass="STANDARD_IA")
    assert s3.head_object(Bucket=bucket, Key="key")["StorageClass"] == "STANDARD_IA"


@pytest.mark.parametrize(
    "key", ["a b", "plus+plus", "ü/ö", "100%", "ques?tion", "ques?versionId=x", "a//b", "/leading"]
)
def test_sources_are_decoded(s3: Any, bucket: str, put: Put, key: str) -> None:
    put(key, b"bytes")
    s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == b"bytes"


@pytest.mark.parametrize("source", ["{bucket}/plus+plus", "/{bucket}/plus+plus", "{bucket}%2Fplus%2Bplus"])
def test_ways_to_say_a_source(wire: Requester, bucket: str, put: Put, source: str) -> None:
    put("plus+plus", b"bytes")
    named = source.format(bucket=bucket)
    assert wire.request("PUT", f"/{bucket}/to", {"x-amz-copy-source": named}).status == 200
    assert wire.request("GET", f"/{bucket}/to").body == b"bytes"


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ("{bucket}", 400, "InvalidArgument"),
        ("", 400, "InvalidArgument"),
        ("{bucket}/", 400, "InvalidArgument"),
        ("{bucket}/%ff", 400, "InvalidURI"),
        ("{bucket}/missing", 404, "NoSuchKey"),
        ("no-such-bucket-here/key", 404, "NoSuchBucket"),
        ("{bucket}/from?versionId=00000000000000000000000000000000", 404, "NoSuchVersion"),
        ("arn:aws:s3:us-east-1:1:accesspoint/a/object/b", 501, "NotImplemented"),
    ],
)
def test_sources_that_are_refused(wire: Requester, bucket: str, source: str, status: int, code: str) -> None:
    assert wire.request("PUT", f"/{bucket}/from", body=b"data").status == 200
    refusal = wire.request("PUT", f"/{bucket}/to", {"x-amz-copy-source": source.format(bucket=bucket)})
    assert (refusal.status, refusal.code) == (status, code)


def test_the_source_is_authorised_too(alt_s3: Any, s3: Any, bucket: str, bucket_name: str, put: Put) -> None:
    put("secret")
    alt_s3.create_bucket(Bucket=f"{bucket_name}-alt")
    with refused("AccessDenied", 403):
        alt_s3.copy_object(Bucket=f"{bucket_name}-alt", Key="stolen", CopySource=f"{bucket}/secret")


def test_conditions_on_the_source(s3: Any, bucket: str, put: Put) -> None:
    etag = put("from")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="from")["LastModified"]
    source = {"Bucket": bucket, "Key": "to", "CopySource": f"{bucket}/from"}
    s3.copy_object(**source, CopySourceIfMatch=etag)
    s3.copy_object(**source, CopySourceIfNoneMatch='"other"')
    s3.copy_object(**source, CopySourceIfMatch=etag, CopySourceIfUnmodifiedSince=modified - timedelta(days=1))
    for condition in (
        {"CopySourceIfMatch": '"other"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfModifiedSince": modified},
        {"CopySourceIfUnmodifiedSince": modified - timedelta(days=1)},
    ):
        with refused("PreconditionFailed", 412):
            s3.copy_object(**source, **condition)


def test_conditions_on_the_target(s3: Any, bucket: str, put: Put) -> None:
    put("from")
    s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from", IfNoneMatch="*")


def test_a_range_does_not_belong_to_a_copy(wire: Requester, bucket: str, put: Put) -> None:
    put("from")
    refusal = wire.request("PUT", f"/{bucket}/to", {"x-amz-copy-source": f"{bucket}/from", "Range": "bytes=0-1"})
    assert (refusal.status, refusal.code) == (400, "InvalidArgument")


def test_an_unknown_directive(wire: Requester, bucket: str, put: Put) -> None:
    put("from")
    headers = {"x-amz-copy-source": f"{bucket}/from", "x-amz-metadata-directive": "MERGE"}
    assert wire.request("PUT", f"/{bucket}/to", headers).code == "InvalidArgument"


def test_parts_from_a_copy(s3: Any, bucket: str, put: Put) -> None:
    body = bytes(range(256)) * 24_000
    etag = put("from", body)["ETag"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="to")["UploadId"]
    named = {"Bucket": bucket, "Key": "to", "UploadId": upload, "CopySource": f"{bucket}/from"}
    half = 5 << 20
    parts = [
        s3.upload_part_copy(**named, PartNumber=1, CopySourceRange=f"bytes=0-{half - 1}", CopySourceIfMatch=etag),
        s3.upload_part_copy(**named, PartNumber=2, CopySourceRange=f"bytes={half}-{len(body) - 1}"),
    ]
    with refused("InvalidArgument", 400):
        s3.upload_part_copy(**named, PartNumber=3, CopySourceRange=f"bytes=0-{len(body)}")
    with refused("InvalidArgument", 400):
        s3.upload_part_copy(**named, PartNumber=3, CopySourceRange="bytes=0-")
    with refused("PreconditionFailed", 412):
        s3.upload_part_copy(**named, PartNumber=3, CopySourceIfMatch='"other"')
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="to",
        UploadId=upload,
        MultipartUpload={
            "Parts": [
                {"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]} for number, part in enumerate(parts, 1)
            ]
        },
    )
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == body
