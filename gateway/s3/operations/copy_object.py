"""CopyObject."""

from __future__ import annotations

from dataclasses import replace

from gateway.http.sending import Response
from gateway.s3 import headers, xml
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error, invalid_argument
from gateway.s3.operations.copy_source import check_size, copy_source, parse
from gateway.s3.times import iso_date
from registry.model import EMPTY, FileAttributes, FileVersion

_REDIRECT = "x-amz-website-redirect-location"


async def copy_object(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
    if "range" in call.headers:
        raise invalid_argument("range", call.headers["range"], "CopyObject does not take a Range: use UploadPartCopy.")
    replaces = _replaces(call, "x-amz-metadata-directive")
    retags = _replaces(call, "x-amz-tagging-directive")
    checksum = headers.checksum_algorithm(call.headers, "x-amz-checksum-algorithm")
    conditions = headers.write_conditions(call.headers)
    attributes = headers.attributes(call.headers)
    source = await copy_source(call)
    check_size(source.size)
    if not retags:
        attributes = replace(attributes, tags=source.attributes.tags)
    if not replaces:
        attributes = _carried(source, attributes)
        _refuse_idle(call, source, attributes)
    version = await call.registry.files.copy(
        call.actor, source, call.bucket, call.key, attributes, conditions=conditions, checksum=checksum
    )
    answer = xml_response(
        xml.document(
            "CopyObjectResult",
            xml.leaf("LastModified", iso_date(version.created_at)),
            xml.leaf("ETag", f'"{version.etag}"'),
            headers.checksum_elements(version.checksum),
        ),
        headers.version_id(version),
    )
    if not source.null_version:
        answer.headers.append(("x-amz-copy-source-version-id", source.id))
    return answer


def _replaces(call: Call, header: str) -> bool:
    directive = call.headers.get(header, "COPY")
    if directive not in {"COPY", "REPLACE"}:
        raise invalid_argument(header, directive, f"Unknown {header.removeprefix('x-amz-').replace('-', ' ')}.")
    return directive == "REPLACE"


def _carried(source: FileVersion, said: FileAttributes) -> FileAttributes:
    """The source's attributes, but for those that a copy never takes along."""
    kept = {name: value for name, value in source.attributes.headers.items() if name != _REDIRECT}
    if _REDIRECT in said.headers:
        kept[_REDIRECT] = said.headers[_REDIRECT]
    return replace(
        source.attributes,
        headers=kept or EMPTY,
        storage_class=said.storage_class,
        tags=said.tags,
        lock_mode=said.lock_mode,
        retain_until=said.retain_until,
        legal_hold=said.legal_hold,
    )


def _refuse_idle(call: Call, source: FileVersion, attributes: FileAttributes) -> None:
    """Raise for a copy onto itself that would change nothing."""
    bucket, key, version_id = parse(call.headers["x-amz-copy-source"])
    if (bucket, key, version_id) != (call.bucket, call.key, None) or attributes != replace(
        source.attributes, lock_mode=None, retain_until=None, legal_hold=False
    ):
        return
    raise S3Error(
        "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the "
        "object's metadata, storage class, website redirect location or encryption attributes.",
    )
