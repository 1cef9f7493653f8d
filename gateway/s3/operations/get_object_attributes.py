"""GetObjectAttributes."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.http.conditions import is_modified
from gateway.http.sending import Response
from gateway.s3 import headers, xml
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error, invalid_argument
from gateway.s3.operations.get_object import named_version
from gateway.s3.operations.listing import PAGE
from gateway.s3.query import integer
from gateway.s3.times import http_date
from registry.model import FilePart, FileVersion

_NAMES = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})
_HEADER = "x-amz-object-attributes"


async def get_object_attributes(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html"""
    wanted = {name.strip() for name in call.headers.get(_HEADER, "").split(",")} - {""}
    if not wanted:
        raise S3Error("InvalidRequest", f"The {_HEADER} header specifying the attributes to be retrieved is required.")
    if not wanted <= _NAMES:
        raise invalid_argument(_HEADER, call.headers[_HEADER], "Invalid attribute name specified.")
    version = await call.registry.files.get(call.actor, call.bucket, call.key, named_version(call))
    if not is_modified(call.headers, version.etag, version.created_at):
        return Response(304)
    parts: Sequence[FilePart] = ()
    if "ObjectParts" in wanted:
        parts = await call.registry.files.parts(version)
    checksum = version.checksum
    shown = {
        "ETag": xml.leaf("ETag", version.etag),
        "Checksum": xml.node("Checksum", headers.checksum_elements(checksum)) if checksum is not None else "",
        "ObjectParts": _parts(call, version, parts) if parts else "",
        "StorageClass": xml.leaf("StorageClass", version.attributes.storage_class),
        "ObjectSize": xml.leaf("ObjectSize", version.size),
    }
    document = xml.document(
        "GetObjectAttributesResponse", *(element for name, element in shown.items() if name in wanted)
    )
    return xml_response(document, [("Last-Modified", http_date(version.created_at)), *headers.version_id(version)])


def _parts(call: Call, version: FileVersion, parts: Sequence[FilePart]) -> str:
    most = min(integer(call.headers, "x-amz-max-parts", PAGE), PAGE)
    after = integer(call.headers, "x-amz-part-number-marker", 0)
    rest = [part for part in parts if part.number > after]
    page = rest[:most]
    return xml.node(
        "ObjectParts",
        xml.leaf("PartsCount", len(parts)),
        xml.leaf("PartNumberMarker", after),
        xml.leaf("NextPartNumberMarker", page[-1].number if page else after),
        xml.leaf("MaxParts", most),
        xml.leaf("IsTruncated", len(rest) > len(page)),
        *(_part(version, part) for part in page),
    )


def _part(version: FileVersion, part: FilePart) -> str:
    checksum = version.checksum
    return xml.node(
        "Part",
        xml.leaf("PartNumber", part.number),
        xml.leaf("Size", part.size),
        xml.optional(f"Checksum{checksum.algorithm}", part.checksum) if checksum is not None else "",
    )
