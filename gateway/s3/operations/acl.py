"""ACLs of buckets and objects. They are disabled, as in S3 today: the owner has full control, nobody else any."""

from __future__ import annotations

from gateway.http.sending import Response
from gateway.s3 import xml
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error
from gateway.s3.operations.get_object import named_version
from gateway.s3.operations.listing import owner
from registry.model import Repository

_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"


async def get_bucket_acl(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html"""
    return _full_control(await call.repository())


async def get_object_acl(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html"""
    await call.registry.files.get(call.actor, call.bucket, call.key, named_version(call))
    return _full_control(await call.repository())


async def put_bucket_acl(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html"""
    await call.repository()
    return await _kept_as_it_is(call)


async def put_object_acl(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html"""
    await call.registry.files.get(call.actor, call.bucket, call.key, named_version(call))
    return await _kept_as_it_is(call)


async def _kept_as_it_is(call: Call) -> Response:
    """A canned ACL that says what holds anyway (others were refused before) is accepted; any other is not."""
    if await call.body(length_required=False).read(xml.LIMIT):
        raise S3Error("AccessControlListNotSupported")
    if "x-amz-acl" not in call.headers:
        raise S3Error("MissingSecurityHeader", fields={"MissingHeaderName": "x-amz-acl"})
    return Response(200)


def _full_control(repository: Repository) -> Response:
    who = xml.leaf("ID", repository.owner_id) + xml.leaf("DisplayName", repository.owner_name)
    grantee = f'<Grantee xmlns:xsi="{_INSTANCE}" xsi:type="CanonicalUser">{who}</Grantee>'
    grant = xml.node("Grant", grantee, xml.leaf("Permission", "FULL_CONTROL"))
    return xml_response(
        xml.document(
            "AccessControlPolicy",
            owner(repository.owner_id, repository.owner_name),
            xml.node("AccessControlList", grant),
        )
    )
