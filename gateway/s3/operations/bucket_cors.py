"""The CORS rules of a bucket, and the question that a browser asks before it sends a request."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.http.sending import Response
from gateway.s3 import cors
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error
from registry.errors import RegistryError
from registry.registry import Registry


async def get_bucket_cors(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketCors.html"""
    document = await call.registry.documents.get(call.actor, call.bucket, cors.DOCUMENT)
    if document is None:
        raise S3Error("NoSuchCORSConfiguration", fields={"BucketName": call.bucket})
    return xml_response(cors.render(cors.of_document(document)))


async def put_bucket_cors(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html"""
    rules = cors.parse(await call.document("CORSConfiguration", cors.LISTS))
    document = [rule.document() for rule in rules]
    await call.registry.documents.put(call.actor, call.bucket, cors.DOCUMENT, document)
    return Response(200)


async def delete_bucket_cors(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketCors.html"""
    await call.registry.documents.put(call.actor, call.bucket, cors.DOCUMENT, None)
    return Response(204)


async def preflight(registry: Registry, bucket: str, headers: Mapping[str, str]) -> Response:
    """May a page of that origin send such a request? Asked without a signature, as browsers do.

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html
    """
    origin, method = headers.get("origin"), headers.get("access-control-request-method")
    if origin is None:
        raise S3Error("BadRequest", "Insufficient information. Origin request header needed.")
    if method is None:
        raise S3Error("BadRequest", "Invalid Access-Control-Request-Method: null")
    asked = [name.strip().lower() for name in headers.get("access-control-request-headers", "").split(",")]
    wanted = [name for name in asked if name]
    rule = cors.find(cors.of_document(await registry.documents.public(bucket, cors.DOCUMENT)), origin, method, wanted)
    if rule is None:
        raise S3Error("AccessForbidden", fields={"Method": method, "ResourceType": "BUCKET"})
    allowed = [("Access-Control-Allow-Headers", ", ".join(wanted))] if wanted else []
    return Response(200, [*rule.answer(origin), *allowed])


async def sharing(registry: Registry, bucket: str, method: str, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """What every answer to a request from a page of another origin says: who may read it."""
    origin = headers.get("origin")
    if not origin or not bucket:
        return []
    try:
        document = await registry.documents.public(bucket, cors.DOCUMENT)
    except RegistryError:
        return []  # the answer itself says what is wrong
    rule = cors.find(cors.of_document(document), origin, headers.get("access-control-request-method", method))
    return [] if rule is None else rule.answer(origin)
