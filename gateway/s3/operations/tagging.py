"""GetObjectTagging."""

from __future__ import annotations

from gateway.http.sending import Response
from gateway.s3 import headers, xml
from gateway.s3.call import Call, xml_response
from gateway.s3.operations.get_object import named_version


async def get_object_tagging(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html"""
    version = await call.registry.files.get(call.actor, call.bucket, call.key, named_version(call))
    tags = (
        xml.node("Tag", xml.leaf("Key", key), xml.leaf("Value", value))
        for key, value in version.attributes.tags.items()
    )
    return xml_response(xml.document("Tagging", xml.node("TagSet", *tags)), headers.version_id(version))
