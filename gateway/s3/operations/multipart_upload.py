"""CreateMultipartUpload, UploadPart, UploadPartCopy, CompleteMultipartUpload, AbortMultipartUpload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

from gateway.http.conditions import unquoted
from gateway.http.sending import Generated, Response
from gateway.s3 import headers, xml
from gateway.s3.call import XML, Call, xml_response
from gateway.s3.errors import S3Error, invalid_argument, translate
from gateway.s3.operations.copy_source import check_size, copy_source
from gateway.s3.times import iso_date
from registry.digests import CHECKSUM_SIZES
from registry.model import Checksum, ChecksumType, FileVersion
from registry.uploads import CompletedPart

_MAX_PARTS = 10_000
_PATIENCE = 10.0
"""Seconds that a completion may take before its answer begins with white space, which keeps the client waiting."""

_TYPES = {
    "CRC32": (ChecksumType.COMPOSITE, ChecksumType.FULL_OBJECT),
    "CRC32C": (ChecksumType.COMPOSITE, ChecksumType.FULL_OBJECT),
    "CRC64NVME": (ChecksumType.FULL_OBJECT,),
    "SHA1": (ChecksumType.COMPOSITE,),
    "SHA256": (ChecksumType.COMPOSITE,),
}
"""The types a checksum of a multipart upload may have; the first is meant when none is said."""


async def create_multipart_upload(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html"""
    algorithm, kind = _checksum_wanted(call)
    upload = await call.registry.uploads.create(
        call.actor,
        call.bucket,
        call.key,
        headers.attributes(call.headers),
        checksum_algorithm=algorithm,
        checksum_type=kind,
    )
    return xml_response(
        xml.document(
            "InitiateMultipartUploadResult",
            xml.leaf("Bucket", call.bucket),
            xml.leaf("Key", call.key),
            xml.leaf("UploadId", upload.id),
        ),
        [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)] if algorithm and kind else [],
    )


async def upload_part(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html"""
    number = _part_number(call)
    body = call.body()
    part = await call.registry.uploads.put_part(
        call.actor,
        call.bucket,
        call.key,
        call.query["uploadId"],
        number,
        body,
        checksum=body.expect.checksum_algorithm,
    )
    shown = [] if part.checksum is None else headers.checksum(part.checksum)[:1]
    return Response(200, [("ETag", f'"{part.etag}"'), *shown])


async def upload_part_copy(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html"""
    number = _part_number(call)
    source = await copy_source(call)
    start, stop = _copy_range(call, source)
    check_size(stop - start)
    part = await call.registry.uploads.copy_part(
        call.actor, source, start, stop, call.bucket, call.key, call.query["uploadId"], number
    )
    answer = xml_response(
        xml.document(
            "CopyPartResult",
            xml.leaf("LastModified", iso_date(part.modified_at)),
            xml.leaf("ETag", f'"{part.etag}"'),
            "" if part.checksum is None else xml.leaf(f"Checksum{part.checksum.algorithm}", part.checksum.value),
        )
    )
    if not source.null_version:
        answer.headers.append(("x-amz-copy-source-version-id", source.id))
    return answer


async def complete_multipart_upload(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html"""
    document = await call.document("CompleteMultipartUpload", ["Part"], required=False, checksum_of_body=False)
    parts = [_completed_part(element) for element in xml.children(document, "Part")]
    if not parts:
        raise S3Error("MalformedXML")
    completion = asyncio.ensure_future(
        call.registry.uploads.complete(
            call.actor,
            call.bucket,
            call.key,
            call.query["uploadId"],
            parts,
            conditions=headers.write_conditions(call.headers),
            size=_announced_size(call),
            checksum=_announced_checksum(call),
        )
    )
    # A client that leaves, or a stop of the server, must not tear the completion apart.
    if call.streams_answers:
        await asyncio.wait([completion], timeout=_PATIENCE)
        if not completion.done():
            return Response(200, [XML], Generated(_trickle(call, completion)))
    version = await asyncio.shield(completion)
    return xml_response(_completed(call, version), headers.version_id(version))


async def abort_multipart_upload(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html"""
    await call.registry.uploads.abort(call.actor, call.bucket, call.key, call.query["uploadId"])
    return Response(204)


async def _trickle(call: Call, completion: asyncio.Future[FileVersion]) -> AsyncIterator[bytes]:
    """The declaration, white space while it takes, and then how it ended: a document, or an error after all."""
    yield xml.DECLARATION.encode()
    while not completion.done():
        yield b" "
        await asyncio.wait([completion], timeout=_PATIENCE)
    error = completion.exception()
    if error is None:
        content = _completed(call, completion.result())
    elif isinstance(error, Exception):
        content = xml.error_document(translate(error), call.address.resource, call.request_id)
    else:
        raise error
    yield content.removeprefix(xml.DECLARATION.encode())


def _completed(call: Call, version: FileVersion) -> bytes:
    path = call.key if call.address.virtual_host else f"{call.bucket}/{call.key}"
    return xml.document(
        "CompleteMultipartUploadResult",
        xml.leaf("Location", f"http://{call.host}/{quote(path)}"),
        xml.leaf("Bucket", call.bucket),
        xml.leaf("Key", call.key),
        xml.leaf("ETag", f'"{version.etag}"'),
        headers.checksum_elements(version.checksum),
    )


def _checksum_wanted(call: Call) -> tuple[str | None, ChecksumType | None]:
    algorithm = headers.checksum_algorithm(call.headers, "x-amz-checksum-algorithm")
    kind = headers.checksum_type(call.headers)
    if algorithm is None:
        if kind is not None:
            raise S3Error(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        return None, None
    allowed = _TYPES[algorithm]
    if kind is not None and kind not in allowed:
        raise S3Error(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return algorithm, kind or allowed[0]


def _part_number(call: Call) -> int:
    said = call.query.get("partNumber", "")
    if said.isascii() and said.isdigit() and len(said) <= 5 and 1 <= int(said) <= _MAX_PARTS:
        return int(said)
    raise invalid_argument("partNumber", said, f"Part number must be an integer between 1 and {_MAX_PARTS}, inclusive")


def _copy_range(call: Call, source: FileVersion) -> tuple[int, int]:
    said = call.headers.get("x-amz-copy-source-range")
    if said is None:
        return 0, source.size
    first, dash, last = said.removeprefix("bytes=").partition("-")
    if not (said.startswith("bytes=") and dash and _digits(first) and _digits(last) and int(first) <= int(last)):
        raise invalid_argument(
            "x-amz-copy-source-range",
            said,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
        )
    if int(last) >= source.size:
        raise invalid_argument(
            "x-amz-copy-source-range", said, f"Range specified is not valid for source object of size: {source.size}"
        )
    return int(first), int(last) + 1


def _completed_part(element: xml.Node) -> CompletedPart:
    number, etag = (xml.text(element, "PartNumber") or "").strip(), xml.text(element, "ETag")
    if not _digits(number) or etag is None:
        raise S3Error("MalformedXML", "A <Part> needs a <PartNumber> and an <ETag>.")
    checksum = None
    for algorithm in CHECKSUM_SIZES:
        value = xml.text(element, f"Checksum{algorithm}")
        if value is not None:
            checksum = Checksum(algorithm, value.strip())
    return CompletedPart(int(number), unquoted(etag), checksum)


def _announced_size(call: Call) -> int | None:
    said = call.headers.get("x-amz-mp-object-size")
    if said is None:
        return None
    if not _digits(said):
        raise invalid_argument("x-amz-mp-object-size", said, "The object size is a number of bytes.")
    return int(said)


def _announced_checksum(call: Call) -> Checksum | None:
    kind = headers.checksum_type(call.headers)
    for algorithm in CHECKSUM_SIZES:
        value = call.headers.get(f"x-amz-checksum-{algorithm.lower()}")
        if value is not None:
            return Checksum(algorithm, value, kind or ChecksumType.FULL_OBJECT)
    return None


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
