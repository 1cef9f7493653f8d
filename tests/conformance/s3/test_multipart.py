"""CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload, ListParts, ListMultipartUploads."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest

from tests.conformance.s3.refusal import refused
from tests.wire.requester import Requester

MIN = 5 << 20
NO_UPLOAD = "0" * 32


class Upload:
    """An upload in progress, and short words for what tests do with it."""

    def __init__(self, s3: Any, bucket: str, key: str = "key", **arguments: Any) -> None:
        self.s3 = s3
        self.created = s3.create_multipart_upload(Bucket=bucket, Key=key, **arguments)
        self.named = {"Bucket": bucket, "Key": key, "UploadId": self.created["UploadId"]}
        self.parts: list[dict[str, Any]] = []

    def part(self, number: int, body: bytes, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.upload_part(**self.named, PartNumber=number, Body=body, **arguments)
        checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        self.parts.append({"PartNumber": number, "ETag": answer["ETag"], **checksums})
        return answer

    def complete(self, parts: list[dict[str, Any]] | None = None, **arguments: Any) -> dict[str, Any]:
        chosen = self.parts if parts is None else parts
        answer: dict[str, Any] = self.s3.complete_multipart_upload(
            **self.named, MultipartUpload={"Parts": chosen}, **arguments
        )
        return answer

    def body(self) -> bytes:
        found: bytes = self.s3.get_object(Bucket=self.named["Bucket"], Key=self.named["Key"])["Body"].read()
        return found


@pytest.fixture
def upload(s3: Any, bucket: str) -> Upload:
    return Upload(s3, bucket)


def etag_of(*parts: bytes) -> str:
    joined = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    return f'"{joined}-{len(parts)}"'


def test_parts_become_an_object(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ContentType="text/plain", Metadata={"a": "1"})
    first, second = b"a" * MIN, b"b" * 10
    upload.part(2, second)
    upload.part(1, first)
    answer = upload.complete(sorted(upload.parts, key=lambda part: part["PartNumber"]))
    assert (answer["ETag"], answer["Bucket"], answer["Key"]) == (etag_of(first, second), bucket, "key")
    assert answer["Location"].endswith(f"/{bucket}/key")
    found = s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert found["Body"].read() == first + second
    assert (found["ContentType"], found["Metadata"]) == ("text/plain", {"a": "1"})
    part = s3.get_object(Bucket=bucket, Key="key", PartNumber=2)
    assert (part["Body"].read(), part["PartsCount"]) == (second, 2)
    assert part["ContentRange"] == f"bytes {MIN}-{MIN + 9}/{MIN + 10}"
    assert s3.head_object(Bucket=bucket, Key="key", PartNumber=1)["ContentLength"] == MIN
    with refused("InvalidPartNumber", 416):
        s3.get_object(Bucket=bucket, Key="key", PartNumber=3)
    with refused("NoSuchUpload", 404):
        upload.part(1, b"")


def test_nothing_is_there_before_it_is_complete(s3: Any, bucket: str, upload: Upload) -> None:
    upload.part(1, b"x")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="key")


def test_a_part_sent_again_takes_the_place_of_the_first(upload: Upload) -> None:
    old = upload.part(1, b"old")
    upload.parts.clear()
    upload.part(1, b"new")
    with refused("InvalidPart", 400):
        upload.complete([{"PartNumber": 1, "ETag": old["ETag"]}])
    upload.complete()
    assert upload.body() == b"new"


def test_one_small_part_numbered_from_two(upload: Upload) -> None:
    upload.part(2, b"only")
    upload.complete()
    assert upload.body() == b"only"


def test_a_completion_can_be_repeated(upload: Upload) -> None:
    upload.part(1, b"x")
    assert upload.complete()["ETag"] == upload.complete()["ETag"]


def test_completions_that_are_refused_leave_the_upload(upload: Upload) -> None:
    upload.part(1, b"small")
    upload.part(2, b"last")
    one, two = upload.parts
    with refused("EntityTooSmall", 400) as document:
        upload.complete()
    assert document["MinSizeAllowed"] == str(MIN)
    with refused("InvalidPartOrder", 400):
        upload.complete([two, one])
    with refused("InvalidPart", 400):
        upload.complete([one, {"PartNumber": 3, "ETag": two["ETag"]}])
    with refused("InvalidPart", 400):
        upload.complete([{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}])
    with refused("MalformedXML", 400):
        upload.complete([])
    upload.complete([one])
    assert upload.body() == b"small"


@pytest.mark.parametrize("form", ['"{}"', "{}", "&quot;{}&quot;"])
@pytest.mark.parametrize("namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_ways_to_write_a_completion(wire: Requester, upload: Upload, form: str, namespace: str) -> None:
    etag = upload.part(1, b"x")["ETag"].strip('"')
    body = (
        f"<CompleteMultipartUpload{namespace}>\n <Part><ETag>{form.format(etag)}</ETag>"
        "<PartNumber> 1 </PartNumber></Part>\n</CompleteMultipartUpload>"
    ).encode()
    named = upload.named
    answer = wire.request("POST", f"/{named['Bucket']}/key?uploadId={named['UploadId']}", body=body)
    assert answer.status == 200
    assert b"<CompleteMultipartUploadResult" in answer.body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedXML"),
        (b"nonsense", "MalformedXML"),
        (b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
         "MalformedXML"),
        (b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>", "MalformedXML"),
        (b"<CompleteMultipartUpload>" + b" " * (2 << 20), "MaxMessageLengthExceeded"),
    ],
    ids=["empty", "nonsense", "number", "etag", "2MiB"],
)  # fmt: skip
def test_completions_that_cannot_be_read(wire: Requester, upload: Upload, body: bytes, code: str) -> None:
    named = upload.named
    refusal = wire.request("POST", f"/{named['Bucket']}/key?uploadId={named['UploadId']}", body=body)
    assert (refusal.status, refusal.code) == (400, code)


def test_conditions_on_a_completion(s3: Any, bucket: str, upload: Upload) -> None:
    upload.part(1, b"x")
    s3.put_object(Bucket=bucket, Key="key", Body=b"there")
    with refused("PreconditionFailed", 412):
        upload.complete(IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        upload.complete(IfMatch='"other"')
    upload.complete(IfMatch=s3.head_object(Bucket=bucket, Key="key")["ETag"])


def test_the_announced_size(upload: Upload) -> None:
    upload.part(1, b"four")
    with refused("InvalidRequest", 400):
        upload.complete(MpuObjectSize=5)
    upload.complete(MpuObjectSize=4)


@pytest.mark.parametrize("number", [0, 10001, -1])
def test_part_numbers_have_bounds(upload: Upload, number: int) -> None:
    with refused("InvalidArgument", 400):
        upload.part(number, b"x")


def test_uploads_that_are_not_there(s3: Any, bucket: str) -> None:
    named = {"Bucket": bucket, "Key": "key", "UploadId": NO_UPLOAD}
    with refused("NoSuchUpload", 404):
        s3.upload_part(**named, PartNumber=1, Body=b"x")
    with refused("NoSuchUpload", 404):
        s3.list_parts(**named)
    with refused("NoSuchUpload", 404):
        s3.abort_multipart_upload(**named)
    with refused("NoSuchUpload", 404):
        s3.complete_multipart_upload(**named, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "e"}]})


def test_abort(s3: Any, bucket: str, upload: Upload) -> None:
    upload.part(1, b"x")
    s3.abort_multipart_upload(**upload.named)
    with refused("NoSuchUpload", 404):
        upload.complete()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    s3.delete_bucket(Bucket=bucket)


def test_a_bucket_goes_with_its_uploads(s3: Any, bucket: str, upload: Upload) -> None:
    upload.part(1, b"x")
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    with refused("NoSuchUpload", 404):
        upload.complete()


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_composite_checksums(s3: Any, bucket: str, algorithm: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm=algorithm)
    assert upload.created["ChecksumAlgorithm"] == algorithm
    upload.part(1, b"a" * MIN, ChecksumAlgorithm=algorithm)
    upload.part(2, b"b", ChecksumAlgorithm=algorithm)
    answer = upload.complete()
    assert (answer["ChecksumType"], answer[f"Checksum{algorithm}"][-2:]) == ("COMPOSITE", "-2")
    found = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert found[f"Checksum{algorithm}"] == answer[f"Checksum{algorithm}"]
    part = s3.head_object(Bucket=bucket, Key="key", PartNumber=2, ChecksumMode="ENABLED")
    assert part[f"Checksum{algorithm}"] == upload.parts[1][f"Checksum{algorithm}"]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC64NVME"])
def test_full_object_checksums(s3: Any, bucket: str, algorithm: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    upload.part(1, b"a" * MIN, ChecksumAlgorithm=algorithm)
    upload.part(2, b"b", ChecksumAlgorithm=algorithm)
    if algorithm == "CRC32":
        whole = base64.b64encode(zlib.crc32(b"a" * MIN + b"b").to_bytes(4, "big")).decode()
        with refused("BadDigest", 400):
            upload.complete(ChecksumCRC32="AAAAAA==", ChecksumType="FULL_OBJECT")
        assert upload.complete(ChecksumCRC32=whole, ChecksumType="FULL_OBJECT")["ChecksumCRC32"] == whole
    else:
        assert upload.complete()["ChecksumType"] == "FULL_OBJECT"
    assert upload.body() == b"a" * MIN + b"b"


@pytest.mark.parametrize(("algorithm", "kind"), [("CRC64NVME", "COMPOSITE"), ("SHA256", "FULL_OBJECT")])
def test_types_that_an_algorithm_cannot_have(s3: Any, bucket: str, algorithm: str, kind: str) -> None:
    with refused("InvalidRequest", 400):
        Upload(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)


def test_a_part_with_another_algorithm(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="SHA256")
    with refused("InvalidRequest", 400):
        upload.part(1, b"x", ChecksumAlgorithm="CRC32")


def test_parts_with_checksums_of_an_upload_without(s3: Any, wire: Requester, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.part(1, b"x", ChecksumAlgorithm="CRC64NVME")
    plain = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in upload.parts]
    upload.complete(plain)
    assert upload.body() == b"x"


@pytest.mark.parametrize(
    "headers", [{"Content-MD5": base64.b64encode(bytes(16)).decode()}, {"x-amz-checksum-crc32": "AAAAAA=="}]
)
def test_a_damaged_part(wire: Requester, s3: Any, upload: Upload, headers: dict[str, str]) -> None:
    named = upload.named
    target = f"/{named['Bucket']}/key?partNumber=1&uploadId={named['UploadId']}"
    refusal = wire.request("PUT", target, {"Content-Length": "4", **headers}, b"data")
    assert (refusal.status, refusal.code) == (400, "BadDigest")
    assert "Parts" not in s3.list_parts(**named)


def test_list_parts(s3: Any, upload: Upload) -> None:
    for number in (1, 3, 7):
        upload.part(number, b"x" * number)
    whole = s3.list_parts(**upload.named)
    assert [(part["PartNumber"], part["Size"]) for part in whole["Parts"]] == [(1, 1), (3, 3), (7, 7)]
    assert whole["Parts"][0]["ETag"] == upload.parts[0]["ETag"]
    assert (whole["IsTruncated"], whole["StorageClass"]) == (False, "STANDARD")
    pages = list(s3.get_paginator("list_parts").paginate(**upload.named, PaginationConfig={"PageSize": 2}))
    assert [[part["PartNumber"] for part in page["Parts"]] for page in pages] == [[1, 3], [7]]


def test_list_uploads(s3: Any, bucket: str) -> None:
    named = [Upload(s3, bucket, key).named for key in ("a", "a", "b/1", "b/2", "c d")]
    whole = s3.list_multipart_uploads(Bucket=bucket)
    assert [(found["Key"], found["UploadId"]) for found in whole["Uploads"]] == [
        (name["Key"], name["UploadId"]) for name in named
    ]
    rolled = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [found["Key"] for found in rolled["Uploads"]] == ["a", "a", "c d"]
    assert [found["Prefix"] for found in rolled["CommonPrefixes"]] == ["b/"]
    assert len(s3.list_multipart_uploads(Bucket=bucket, Prefix="b/")["Uploads"]) == 2
    pages = list(s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}))
    assert [found["UploadId"] for page in pages for found in page["Uploads"]] == [name["UploadId"] for name in named]
