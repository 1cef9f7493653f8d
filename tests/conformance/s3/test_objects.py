"""PutObject, GetObject, HeadObject, DeleteObject, DeleteObjects."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.conformance.s3.refusal import refused
from tests.wire.requester import Requester

Put = Callable[..., Any]

KEYS = [
    "a",
    "a/b/c",
    "dir/",
    "//slashes//",
    "./.././dots",
    "with space",
    " leading and trailing ",
    "plus+and%percent",
    "ümläut/日本語/🎉",
    "?query=1&b#fragment",
    "quote\"'<>&;",
    "x" * 1024,
    "~-_.!*'()",
]


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_kept_as_sent(s3: Any, bucket: str, put: Put, key: str) -> None:
    put(key, key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("k" * 1025, "KeyTooLongError"),
        ("%C3%BC" * 513, "KeyTooLongError"),
        ("%ff", "InvalidURI"),
        ("a%00b", "InvalidURI"),
        ("a%0Ab", "InvalidURI"),
        ("a%7f", "InvalidURI"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD", "DELETE"])
def test_keys_that_cannot_be(wire: Requester, bucket: str, method: str, key: str, code: str) -> None:
    refusal = wire.request(method, f"/{bucket}/{key}", body=b"x" if method == "PUT" else b"")
    assert refusal.status == 400
    assert method == "HEAD" or refusal.code == code
    assert wire.request("GET", f"/{bucket}?list-type=2").body.count(b"<Contents>") == 0


@pytest.mark.parametrize("size", [0, 1, 4096, 65_536, 65_537, 1_000_000])
def test_bytes_come_back(s3: Any, bucket: str, put: Put, size: int) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]
    answer = put("key", body)
    assert answer["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    found = s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert found["Body"].read() == body
    assert found["ContentLength"] == size
    assert found["ChecksumCRC32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    assert s3.head_object(Bucket=bucket, Key="key")["ContentLength"] == size


def test_headers_and_metadata_are_kept(s3: Any, bucket: str, put: Put) -> None:
    said: dict[str, Any] = {
        "ContentType": "text/plain; charset=utf-8",
        "CacheControl": "no-store",
        "ContentDisposition": 'attachment; filename="a b.txt"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de, en",
        "Metadata": {"one": "1", "with-hyphen": "two  spaces", "empty": ""},
        "StorageClass": "STANDARD_IA",
        "WebsiteRedirectLocation": "/elsewhere",
    }
    put("key", **said)
    for found in (s3.head_object(Bucket=bucket, Key="key"), s3.get_object(Bucket=bucket, Key="key")):
        assert {name: found[name] for name in said} == said
    put("key")
    plain = s3.head_object(Bucket=bucket, Key="key")
    assert plain["ContentType"] == "binary/octet-stream"
    assert plain["Metadata"] == {}
    assert "CacheControl" not in plain


def test_metadata_beyond_ascii(wire: Requester, bucket: str) -> None:
    assert wire.request("PUT", f"/{bucket}/k", {"Content-Length": "0"}, unsigned_headers={}).status == 200
    sent = wire.request("PUT", f"/{bucket}/k", {"Content-Length": "0", "x-amz-meta-name": "grün"})
    assert sent.status == 200
    assert wire.request("HEAD", f"/{bucket}/k").header("x-amz-meta-name") == "=?UTF-8?B?Z3LDvG4=?="


def test_metadata_too_large(put: Put) -> None:
    put("key", Metadata={"k": "v" * 2047})
    with refused("MetadataTooLarge", 400):
        put("key", Metadata={"k": "v" * 2048})


def test_response_overrides(s3: Any, bucket: str, put: Put) -> None:
    put("key", ContentType="text/plain")
    found = s3.get_object(
        Bucket=bucket,
        Key="key",
        ResponseContentType="application/json",
        ResponseContentDisposition='attachment; filename="ü"',
        ResponseCacheControl="no-cache",
    )
    assert found["ContentType"] == "application/json"
    assert found["CacheControl"] == "no-cache"


def test_an_override_cannot_end_a_header(wire: Requester, bucket: str, put: Put) -> None:
    put("key")
    refusal = wire.request("GET", f"/{bucket}/key?response-content-type=a%0d%0ax-evil%3a%201")
    assert (refusal.status, refusal.code) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("bytes=0-4", b"01234"),
        ("bytes=5-", b"56789"),
        ("bytes=-3", b"789"),
        ("bytes=8-100", b"89"),
        ("bytes=-100", b"0123456789"),
    ],
)
def test_ranges(s3: Any, bucket: str, put: Put, said: str, expected: bytes) -> None:
    put("key", b"0123456789")
    # A checksum of the whole would fail the client's check of the part.
    found = s3.get_object(Bucket=bucket, Key="key", Range=said, ChecksumMode="ENABLED")
    assert found["Body"].read() == expected
    start = b"0123456789".index(expected)
    assert found["ContentRange"] == f"bytes {start}-{start + len(expected) - 1}/10"
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert not [name for name in found if name.startswith("Checksum")]
    assert s3.head_object(Bucket=bucket, Key="key", Range=said)["ContentLength"] == len(expected)


def test_a_range_of_a_large_object(s3: Any, bucket: str, put: Put) -> None:
    body = bytes(range(256)) * 8192
    put("key", body)
    for first, last in ((0, 0), (100_000, 1_900_000), (65_536, 65_536 + 65_536)):
        found = s3.get_object(Bucket=bucket, Key="key", Range=f"bytes={first}-{last}")
        assert found["Body"].read() == body[first : last + 1]


@pytest.mark.parametrize("said", ["bytes=10-", "bytes=-0", "bytes=99-100"])
def test_a_range_past_the_end(wire: Requester, bucket: str, put: Put, said: str) -> None:
    put("key", b"0123456789")
    refusal = wire.request("GET", f"/{bucket}/key", {"Range": said})
    assert (refusal.status, refusal.code) == (416, "InvalidRange")
    assert refusal.header("content-range") == "bytes */10"


@pytest.mark.parametrize("said", ["bytes=3-1", "bytes=0-1,4-5", "lines=0-1", "bytes=x-"])
def test_a_range_that_says_nothing_is_ignored(wire: Requester, bucket: str, put: Put, said: str) -> None:
    put("key", b"0123456789")
    found = wire.request("GET", f"/{bucket}/key", {"Range": said})
    assert (found.status, found.body) == (200, b"0123456789")


def test_conditions_on_reading(s3: Any, bucket: str, put: Put) -> None:
    etag = put("key")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="key")["LastModified"]
    second = timedelta(seconds=1)
    for call in (s3.get_object, s3.head_object):
        code = "412" if call == s3.head_object else "PreconditionFailed"
        call(Bucket=bucket, Key="key", IfMatch=etag)
        call(Bucket=bucket, Key="key", IfNoneMatch='"other"')
        call(Bucket=bucket, Key="key", IfModifiedSince=modified - second)
        call(Bucket=bucket, Key="key", IfUnmodifiedSince=modified)
        call(Bucket=bucket, Key="key", IfMatch=etag, IfUnmodifiedSince=modified - second)
        with refused(code, 412):
            call(Bucket=bucket, Key="key", IfMatch='"other"')
        with refused(code, 412):
            call(Bucket=bucket, Key="key", IfUnmodifiedSince=modified - second)
        for unmodified in (
            {"IfNoneMatch": etag},
            {"IfModifiedSince": modified},
            {"IfNoneMatch": etag, "IfModifiedSince": modified - second},
        ):
            with refused("304", 304):
                call(Bucket=bucket, Key="key", **unmodified)


def test_not_modified_keeps_what_a_cache_needs(wire: Requester, bucket: str, put: Put) -> None:
    etag = put("key", CacheControl="max-age=5")["ETag"]
    found = wire.request("GET", f"/{bucket}/key", {"If-None-Match": etag})
    assert (found.status, found.body) == (304, b"")
    assert found.header("etag") == etag
    assert found.header("cache-control") == "max-age=5"
    assert found.header("content-length") is None


def test_conditions_on_writing(s3: Any, bucket: str, put: Put) -> None:
    with refused("NoSuchKey", 404):
        put("key", IfMatch='"x"')
    etag = put("key", b"one", IfNoneMatch="*")["ETag"]
    with refused("PreconditionFailed", 412):
        put("key", b"two", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        put("key", b"two", IfMatch='"other"')
    put("key", b"two", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"two"
    with refused("NotImplemented", 501):
        put("key", b"three", IfNoneMatch=etag)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums(s3: Any, bucket: str, put: Put, algorithm: str) -> None:
    answer = put("key", b"checked", ChecksumAlgorithm=algorithm)
    found = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert found[f"Checksum{algorithm}"] == answer[f"Checksum{algorithm}"]
    assert found["ChecksumType"] == "FULL_OBJECT"
    (listed,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert listed["ChecksumAlgorithm"] == [algorithm]
    assert "ChecksumType" not in s3.head_object(Bucket=bucket, Key="key")


def test_without_a_checksum_crc64nvme_is_computed(wire: Requester, bucket: str) -> None:
    sent = wire.request("PUT", f"/{bucket}/key", body=b"123456789")
    assert sent.header("x-amz-checksum-crc64nvme") == "rosUhgp5mIg="
    assert sent.header("x-amz-checksum-type") == "FULL_OBJECT"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-MD5": base64.b64encode(bytes(16)).decode()}, 400, "BadDigest"),
        ({"Content-MD5": "nonsense"}, 400, "InvalidDigest"),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, 400, "BadDigest"),
        ({"x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()}, 400, "BadDigest"),
        ({"x-amz-checksum-crc32": "not base64"}, 400, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}, 400, "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, 400, "InvalidRequest"),
        ({"x-amz-storage-class": "NONSENSE"}, 400, "InvalidStorageClass"),
        ({"x-amz-server-side-encryption": "aws:kms"}, 501, "NotImplemented"),
        ({"x-amz-object-lock-mode": "COMPLIANCE"}, 400, "InvalidArgument"),
        ({"x-amz-object-lock-legal-hold": "ON"}, 400, "InvalidRequest"),
        ({"x-amz-tagging": "a=1&a=2"}, 400, "InvalidTag"),
        ({"x-amz-acl": "public-read"}, 400, "AccessControlListNotSupported"),
        ({"x-amz-website-redirect-location": "elsewhere"}, 400, "InvalidRequest"),
    ],
)
def test_a_refused_put_stores_nothing(
    wire: Requester, bucket: str, headers: dict[str, str], status: int, code: str
) -> None:
    refusal = wire.request("PUT", f"/{bucket}/key", {"Content-Length": "4", **headers}, b"data")
    assert (refusal.status, refusal.code) == (status, code)
    assert wire.request("GET", f"/{bucket}/key").code == "NoSuchKey"


def test_a_wrong_sha256(wire: Requester, bucket: str) -> None:
    refusal = wire.request(
        "PUT", f"/{bucket}/key", {"Content-Length": "4"}, b"data", payload_hash=hashlib.sha256(b"other").hexdigest()
    )
    assert (refusal.status, refusal.code) == (400, "XAmzContentSHA256Mismatch")
    assert wire.request("GET", f"/{bucket}/key").code == "NoSuchKey"


def test_no_length_and_not_chunked(wire: Requester, bucket: str) -> None:
    refusal = wire.request("PUT", f"/{bucket}/key", {}, payload_hash="UNSIGNED-PAYLOAD")
    assert (refusal.status, refusal.code) == (411, "MissingContentLength")


def test_gzip_stays_as_it_was_sent(wire: Requester, bucket: str) -> None:
    body = b"\x1f\x8bnot really gzip"
    assert (
        wire.request(
            "PUT", f"/{bucket}/key", {"Content-Length": str(len(body)), "Content-Encoding": "gzip"}, body
        ).status
        == 200
    )
    found = wire.request("GET", f"/{bucket}/key")
    assert (found.body, found.header("content-encoding")) == (body, "gzip")


def test_aws_chunked_is_kept_literally_without_framing(wire: Requester, bucket: str) -> None:
    headers = {"Content-Length": "4", "Content-Encoding": "aws-chunked"}
    assert wire.request("PUT", f"/{bucket}/key", headers, b"data").status == 200
    assert wire.request("HEAD", f"/{bucket}/key").header("content-encoding") == "aws-chunked"


def test_signed_chunks(wire: Requester, bucket: str) -> None:
    body = bytes(100_000)
    headers = wire.sign(
        "PUT",
        f"/{bucket}/key",
        {"Host": wire.netloc, "x-amz-decoded-content-length": str(len(body)), "Transfer-Encoding": "chunked"},
        payload_hash="STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    )
    framed = b"".join(wire.chunks(headers, [body[:65_536], body[65_536:]]))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with wire.connect() as connection:
        connection.send(f"PUT /{bucket}/key HTTP/1.1\r\n{lines}\r\n".encode())
        connection.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(framed), framed))
        assert connection.receive().status == 200
        connection.send(wire.head("GET", f"/{bucket}/key"))
        found = connection.receive()
        assert found.body == body
        assert found.header("content-encoding") is None


def test_what_is_not_there(s3: Any, bucket: str) -> None:
    with refused("NoSuchKey", 404) as document:
        s3.get_object(Bucket=bucket, Key="missing")
    assert document["Key"] == "missing"
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="missing")
    assert s3.delete_object(Bucket=bucket, Key="missing")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_versions_without_versioning(s3: Any, bucket: str, put: Put) -> None:
    assert "VersionId" not in put("key")
    assert s3.get_object(Bucket=bucket, Key="key", VersionId="null")["Body"].read() == b"data"
    with refused("NoSuchVersion", 404):
        s3.get_object(Bucket=bucket, Key="key", VersionId="0" * 32)


def test_an_empty_version_id(wire: Requester, bucket: str, put: Put) -> None:
    put("key")
    assert wire.request("GET", f"/{bucket}/key?versionId=").code == "InvalidArgument"


def test_part_number_of_an_object_that_came_whole(s3: Any, bucket: str, put: Put) -> None:
    put("key")
    assert s3.get_object(Bucket=bucket, Key="key", PartNumber=1)["Body"].read() == b"data"
    with refused("InvalidPartNumber", 416):
        s3.get_object(Bucket=bucket, Key="key", PartNumber=2)
    with refused("InvalidRequest", 400):
        s3.get_object(Bucket=bucket, Key="key", PartNumber=1, Range="bytes=0-1")


def test_unknown_query_keys_are_ignored(wire: Requester, bucket: str, put: Put) -> None:
    put("key")
    assert wire.request("GET", f"/{bucket}/key?x-id=GetObject&nonsense").body == b"data"


def test_delete_objects(s3: Any, bucket: str, put: Put) -> None:
    keys = ["a", "b/ c", "<&>"]
    for key in keys:
        put(key)
    answer = s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": key} for key in [*keys, "missing", "k" * 1025]]}
    )
    assert [found["Key"] for found in answer["Deleted"]] == [*keys, "missing"]
    assert [found["Code"] for found in answer["Errors"]] == ["KeyTooLongError"]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_delete_objects_quietly(s3: Any, bucket: str, put: Put) -> None:
    put("a")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}], "Quiet": True})
    assert "Deleted" not in answer
    assert "Errors" not in answer


def md5_of(body: bytes) -> dict[str, str]:
    return {"Content-Length": str(len(body)), "Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}


ONE = b"<Delete><Object><Key>k</Key></Object></Delete>"


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"Content-Length": str(len(ONE))}, ONE, "InvalidRequest"),
        (md5_of(b"other") | {"Content-Length": str(len(ONE))}, ONE, "BadDigest"),
        (md5_of(b"<Delete>"), b"<Delete>", "MalformedXML"),
        (md5_of(b"<Delete></Delete>"), b"<Delete></Delete>", "MalformedXML"),
        (md5_of(ONE * 2), ONE * 2, "MalformedXML"),
        (
            md5_of(b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>"),
            b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>",
            "MalformedXML",
        ),
        (md5_of(b'<!DOCTYPE d [<!ENTITY k "v">]>' + ONE), b'<!DOCTYPE d [<!ENTITY k "v">]>' + ONE, "MalformedXML"),
        (md5_of(b" " * (2 << 20)), b" " * (2 << 20), "MaxMessageLengthExceeded"),
    ],
    ids=["no-digest", "wrong-digest", "cut", "empty", "two-roots", "1001", "entity", "2MiB"],
)
def test_a_deletion_that_is_refused_deletes_nothing(
    wire: Requester, bucket: str, headers: dict[str, str], body: bytes, code: str
) -> None:
    assert wire.request("PUT", f"/{bucket}/k", body=b"data").status == 200
    refusal = wire.request("POST", f"/{bucket}?delete", headers, body)
    assert (refusal.status, refusal.code) == (400, code)
    assert wire.request("GET", f"/{bucket}/k").status == 200


def test_two_megabytes_of_xml_in_chunks(wire: Requester, bucket: str) -> None:
    headers = {"Transfer-Encoding": "chunked", "Content-MD5": base64.b64encode(bytes(16)).decode()}
    with wire.connect() as connection:
        connection.send(wire.head("POST", f"/{bucket}?delete", headers, payload_hash="UNSIGNED-PAYLOAD"))
        connection.send(b"%x\r\n%b\r\n0\r\n\r\n" % (2 << 20, b" " * (2 << 20)))
        assert connection.receive().code == "MaxMessageLengthExceeded"


def test_presigned(s3: Any, wire: Requester, bucket: str, put: Put) -> None:
    put("a b", b"shared")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b"})
    target = "/" + url.partition("://")[2].partition("/")[2]
    if "X-Amz-Signature" in target:
        assert wire.request("GET", target, signed=False).body == b"shared"
    else:  # boto3 presigns with Signature Version 2 unless told otherwise
        refusal = wire.request("GET", target, signed=False)
        assert b"s3v4" in refusal.body
