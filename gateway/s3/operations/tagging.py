"""Tags of object versions and of buckets."""

from __future__ import annotations

from gateway.http.sending import Response
from gateway.s3 import headers, tag_set
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error
from gateway.s3.operations.get_object import named_version
from registry.model import EMPTY

_DOCUMENT = "tagging"


async def get_object_tagging(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html"""
    version = await call.registry.files.get(call.actor, call.bucket, call.key, named_version(call))
    return xml_response(tag_set.render(version.attributes.tags), headers.version_id(version))


async def put_object_tagging(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html"""
    version_id = named_version(call)
    tags = tag_set.parse(await call.document("Tagging", ["Tag"]), tag_set.OF_AN_OBJECT)
    version = await call.registry.tags.put(call.actor, call.bucket, call.key, version_id, tags)
    return Response(200, headers.version_id(version))


async def delete_object_tagging(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html"""
    version = await call.registry.tags.put(call.actor, call.bucket, call.key, named_version(call), EMPTY)
    return Response(204, headers.version_id(version))


async def get_bucket_tagging(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketTagging.html"""
    tags = await call.registry.documents.get(call.actor, call.bucket, _DOCUMENT)
    if tags is None:
        raise S3Error("NoSuchTagSet", fields={"BucketName": call.bucket})
    return xml_response(tag_set.render(tags))


async def put_bucket_tagging(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html"""
    tags = tag_set.parse(await call.document("Tagging", ["Tag"]), tag_set.OF_A_BUCKET)
    await call.registry.documents.put(call.actor, call.bucket, _DOCUMENT, dict(tags) or None)
    return Response(204)


async def delete_bucket_tagging(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketTagging.html"""
    await call.registry.documents.put(call.actor, call.bucket, _DOCUMENT, None)
    return Response(204)
