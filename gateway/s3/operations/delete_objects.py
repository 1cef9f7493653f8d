"""DeleteObject and DeleteObjects."""

from __future__ import annotations

from gateway.http.conditions import unquoted
from gateway.http.sending import Response
from gateway.s3 import xml
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error, invalid_argument, translate
from gateway.s3.operations.get_object import named_version
from gateway.s3.times import seconds
from registry.changes.delete_file import Deleted
from registry.changes.file import WriteConditions
from registry.errors import RegistryError
from registry.files import Deletion

_MOST = 1000


async def delete_object(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html"""
    deleted = await call.registry.files.delete(
        call.actor,
        call.bucket,
        call.key,
        named_version(call),
        conditions=_conditions(
            call.headers.get("if-match"),
            call.headers.get("x-amz-if-match-last-modified-time"),
            call.headers.get("x-amz-if-match-size"),
        ),
        bypass_governance=call.bypasses_governance,
    )
    answer = Response(204)
    if deleted.delete_marker:
        answer.headers.append(("x-amz-delete-marker", "true"))
    version_id = deleted.marker_version_id or deleted.version_id
    if version_id is not None:
        answer.headers.append(("x-amz-version-id", version_id))
    return answer


async def delete_objects(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""
    body = call.body(length_required=False)
    if body.expect.md5 is None and body.expect.checksum_algorithm is None:
        raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    request = xml.parse(await body.read(xml.LIMIT), "Delete", ["Object"])
    objects = xml.children(request, "Object")
    if not 1 <= len(objects) <= _MOST:
        raise S3Error("MalformedXML")
    deletions = [_deletion(element) for element in objects]
    outcomes = await call.registry.files.delete_many(
        call.actor, call.bucket, deletions, bypass_governance=call.bypasses_governance
    )
    quiet = (xml.text(request, "Quiet") or "").strip().lower() == "true"
    return xml_response(
        xml.document(
            "DeleteResult",
            *(
                _error(key, version_id, outcome)
                if isinstance(outcome, RegistryError)
                else ""
                if quiet
                else _deleted(key, version_id, outcome)
                for (key, version_id, _), outcome in zip(deletions, outcomes, strict=True)
            ),
        )
    )


def _deletion(element: xml.Node) -> Deletion:
    key = xml.text(element, "Key")
    if not key:
        raise S3Error("MalformedXML", "An <Object> has no <Key>.")
    etag, date, size = (xml.text(element, name) for name in ("ETag", "LastModifiedTime", "Size"))
    return Deletion(key, xml.text(element, "VersionId") or None, _conditions(etag, date, size))


def _conditions(etag: str | None, date: str | None, size: str | None) -> WriteConditions:
    """On what a deletion depends. The date may be in the form of a header or of a document."""
    modified_at = None
    if date is not None and (modified_at := seconds(date)) is None:
        raise invalid_argument("x-amz-if-match-last-modified-time", date, "The time must be a date.")
    if size is not None and not (size.isascii() and size.isdigit() and len(size) <= 18):
        raise invalid_argument("x-amz-if-match-size", size, "The size must be a number of bytes.")
    return WriteConditions(
        if_match=None if etag is None else unquoted(etag),
        if_modified_at=modified_at,
        if_size=None if size is None else int(size),
    )


def _deleted(key: str, version_id: str | None, outcome: Deleted) -> str:
    return xml.node(
        "Deleted",
        xml.leaf("Key", key),
        xml.optional("VersionId", version_id),
        xml.leaf("DeleteMarker", value=True) if outcome.delete_marker else "",
        xml.optional("DeleteMarkerVersionId", outcome.marker_version_id),
    )


def _error(key: str, version_id: str | None, error: RegistryError) -> str:
    refused = translate(error)
    return xml.node(
        "Error",
        xml.leaf("Key", key),
        xml.optional("VersionId", version_id),
        xml.leaf("Code", refused.code),
        xml.leaf("Message", refused.message),
    )
