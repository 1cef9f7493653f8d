from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.s3 import headers
from gateway.s3.errors import S3Error
from registry.model import Checksum, ChecksumType, FileAttributes, FileVersion


def version(attributes: FileAttributes) -> FileVersion:
    return FileVersion("id", 1, "k", 1, 1_700_000_000_900_000, "alice", 4, "etag", "sha", attributes)


def test_attributes_are_kept_and_given_back() -> None:
    sent = {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "max-age=1",
        "content-disposition": 'attachment; filename="ü"',
        "content-encoding": "gzip",
        "content-language": "de",
        "expires": "tomorrow",
        "x-amz-website-redirect-location": "/other",
        "x-amz-meta-a": "1",
        "x-amz-meta-umlaut": "ü",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "authorization": "secret",
    }
    described = {name.lower(): value for name, value in headers.described(version(headers.attributes(sent)))}
    for name in sent.keys() - {"x-amz-meta-umlaut", "x-amz-content-sha256", "authorization"}:
        assert described[name] == sent[name]
    assert described["x-amz-meta-umlaut"] == "=?UTF-8?B?w7w=?="
    assert described["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert described["etag"] == '"etag"'
    assert "x-amz-version-id" not in described
    assert "secret" not in described.values()


def test_defaults() -> None:
    assert headers.attributes({}) == FileAttributes()
    assert headers.attributes({"content-type": ""}).content_type == "binary/octet-stream"
    assert ("x-amz-version-id", "id") in headers.described(replace(version(FileAttributes()), null_version=False))


@pytest.mark.parametrize(
    ("payload", "sent", "kept"),
    [
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "aws-chunked", None),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "gzip,aws-chunked", "gzip"),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "aws-chunked, gzip, br", "gzip,br"),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "gzip, br", "gzip, br"),
        ("UNSIGNED-PAYLOAD", "aws-chunked", "aws-chunked"),
    ],
)
def test_the_coding_of_the_transfer_is_not_kept(payload: str, sent: str, kept: str | None) -> None:
    attributes = headers.attributes({"content-encoding": sent, "x-amz-content-sha256": payload})
    assert attributes.headers.get("content-encoding") == kept


def test_metadata_has_a_limit_in_bytes() -> None:
    headers.attributes({"x-amz-meta-k": "v" * 2047})
    for value in ("v" * 2048, "ü" * 1024):
        with pytest.raises(S3Error) as refused:
            headers.attributes({"x-amz-meta-k": value})
        assert refused.value.code == "MetadataTooLarge"


def test_bytes_that_are_not_utf_8_are_latin_1() -> None:
    assert headers.attributes({"x-amz-meta-k": "\udcfc"}).metadata == {"k": "ü"}


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"x-amz-storage-class": "NONSENSE"}, "InvalidStorageClass"),
        ({"x-amz-website-redirect-location": "elsewhere"}, "InvalidRequest"),
    ],
)
def test_attributes_that_cannot_be_kept(sent: dict[str, str], code: str) -> None:
    with pytest.raises(S3Error) as refused:
        headers.attributes(sent)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("x-amz-server-side-encryption", "aws:kms", "NotImplemented"),
        ("x-amz-server-side-encryption", "AES256", "NotImplemented"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256", "NotImplemented"),
        ("x-amz-copy-source-server-side-encryption-customer-key", "k", "NotImplemented"),
        ("x-amz-write-offset-bytes", "1", "NotImplemented"),
        ("x-amz-grant-read", "id=x", "AccessControlListNotSupported"),
        ("x-amz-acl", "public-read", "AccessControlListNotSupported"),
        ("x-amz-acl", "nonsense", "InvalidArgument"),
    ],
)
def test_what_is_not_done_is_refused_by_name(name: str, value: str, code: str) -> None:
    with pytest.raises(S3Error) as refused:
        headers.refuse_unsupported({name: value})
    assert refused.value.code == code
    if code == "NotImplemented":
        assert name in refused.value.message


def test_what_only_the_owner_may_is_accepted() -> None:
    for acl in ("private", "bucket-owner-full-control"):
        headers.refuse_unsupported({"x-amz-acl": acl, "x-amz-object-annotation-directive": "COPY"})


def test_write_conditions() -> None:
    assert headers.write_conditions({}) is headers.UNCONDITIONAL
    assert headers.write_conditions({"if-match": '"abc"'}).if_match == "abc"
    assert headers.write_conditions({"if-none-match": "*"}).if_none_match == "*"
    for sent in ({"if-none-match": '"abc"'}, {"if-none-match": "*", "if-match": "a"}):
        with pytest.raises(S3Error, match="NotImplemented"):
            headers.write_conditions(sent)


def test_checksums() -> None:
    assert headers.checksum(None) == []
    assert headers.checksum(Checksum("CRC32", "AAAA", ChecksumType.COMPOSITE)) == [
        ("x-amz-checksum-crc32", "AAAA"),
        ("x-amz-checksum-type", "COMPOSITE"),
    ]
    assert headers.checksum_algorithm({"a": "crc32c"}, "a") == "CRC32C"
    with pytest.raises(S3Error, match="InvalidRequest"):
        headers.checksum_algorithm({"a": "MD4"}, "a")
    with pytest.raises(S3Error, match="InvalidRequest"):
        headers.checksum_type({"x-amz-checksum-type": "PARTIAL"})
