"""ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation."""

from __future__ import annotations

import contextlib

from gateway.http.sending import Response
from gateway.s3 import xml
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error, invalid_argument, not_implemented
from gateway.s3.operations.listing import owner, token, token_value
from gateway.s3.times import iso_date
from registry.errors import RepositoryOwnedError
from registry.model import Repository

_MAX_BUCKETS = 10_000
DEFAULT_REGION = "us-east-1"
"""The region that S3 leaves unsaid, and where creating one's own bucket again succeeds."""


async def list_buckets(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html"""
    prefix = call.query.get("prefix", "")
    limit = _max_buckets(call)
    after = token_value(call.query.get("continuation-token", ""))
    found: list[Repository] = []
    if call.query.get("bucket-region", call.region) == call.region:
        found += await call.registry.repositories.list(call.actor, prefix=prefix, after=after, limit=limit + 1)
    page = found[:limit]
    return xml_response(
        xml.document(
            "ListAllMyBucketsResult",
            owner(call.actor.account_id, call.actor.name),
            xml.node("Buckets", *(_bucket(repository, call.region) for repository in page)),
            xml.leaf("ContinuationToken", token(page[-1].name)) if len(found) > limit else "",
            xml.leaf("Prefix", prefix) if prefix else "",
        )
    )


async def create_bucket(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html"""
    ownership = call.headers.get("x-amz-object-ownership", "BucketOwnerEnforced")
    if ownership != "BucketOwnerEnforced":
        raise not_implemented(f"x-amz-object-ownership: {ownership}")
    configuration = await call.document("CreateBucketConfiguration", required=False)
    for name in ("Location", "Bucket", "Tags"):
        if name in configuration:
            raise not_implemented(f"CreateBucketConfiguration with {name}")
    location = xml.text(configuration, "LocationConstraint")
    if location and location != call.region:
        raise S3Error(
            "IllegalLocationConstraintException",
            f"The {location} location constraint is incompatible for the region specific endpoint this request "
            f"was sent to: it is {call.region}.",
        )
    object_lock = call.headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true"
    again = contextlib.suppress(RepositoryOwnedError) if call.region == DEFAULT_REGION else contextlib.nullcontext()
    with again:
        await call.registry.repositories.create(call.actor, call.bucket, object_lock=object_lock)
    return Response(200, [("Location", f"/{call.bucket}")])


async def head_bucket(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html"""
    await call.repository()
    return Response(200, [("x-amz-bucket-region", call.region), ("x-amz-access-point-alias", "false")])


async def delete_bucket(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html"""
    await call.registry.repositories.delete(call.actor, call.bucket)
    return Response(204)


async def get_bucket_location(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html"""
    await call.repository()
    said = "" if call.region == DEFAULT_REGION else xml.escape(call.region)
    return xml_response(xml.document("LocationConstraint", said))


def _bucket(repository: Repository, region: str) -> str:
    return xml.node(
        "Bucket",
        xml.leaf("Name", repository.name),
        xml.leaf("CreationDate", iso_date(repository.created_at)),
        xml.leaf("BucketRegion", region),
    )


def _max_buckets(call: Call) -> int:
    said = call.query.get("max-buckets", str(_MAX_BUCKETS))
    if said.isascii() and said.isdigit() and len(said) <= 5 and 1 <= int(said) <= _MAX_BUCKETS:
        return int(said)
    raise invalid_argument(
        "max-buckets", said, f"Argument max-buckets must be an integer between 1 and {_MAX_BUCKETS}."
    )
