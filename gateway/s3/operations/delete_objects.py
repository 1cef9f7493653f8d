"""DeleteObject and DeleteObjects."""

from __future__ import annotations

from gateway.http.conditions import unquoted
from gateway.http.sending import Response
from gateway.s3 import xml
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error, not_implemented, translate
from gateway.s3.operations.get_object import named_version
from registry.changes.delete_file import Deleted
from registry.changes.file import WriteConditions
from registry.errors import RegistryError

_MOST = 1000
_CONDITIONS = ("x-amz-if-match-last-modified-time", "x-amz-if-match-size")
_CONDITION_ELEMENTS = ("ETag", "LastModifiedTime", "Size")


async def delete_object(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html"""
    for name in _CONDITIONS:
        if name in call.headers:
            raise not_implemented(name)
    if_match = call.headers.get("if-match")
    deleted = await call.registry.files.delete(
        call.actor,
        call.bucket,
        call.key,
        named_version(call),
        conditions=WriteConditions(if_match=None if if_match is None else unquoted(if_match)),
        bypass_governance=_bypasses(call),
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
    names = [_name(element) for element in objects]
    outcomes = await call.registry.files.delete_many(call.actor, call.bucket, names, bypass_governance=_bypasses(call))
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
                for (key, version_id), outcome in zip(names, outcomes, strict=True)
            ),
        )
    )


def _bypasses(call: Call) -> bool:
    return call.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"


def _name(element: xml.Node) -> tuple[str, str | None]:
    for name in _CONDITION_ELEMENTS:
        if name in element:
            raise not_implemented(f"DeleteObjects with {name}")
    key = xml.text(element, "Key")
    if not key:
        raise S3Error("MalformedXML", "An <Object> has no <Key>.")
    return key, xml.text(element, "VersionId") or None


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
