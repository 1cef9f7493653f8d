"""PutObject."""

from __future__ import annotations

from gateway.http.sending import Response
from gateway.s3 import headers
from gateway.s3.call import Call


async def put_object(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
    attributes = headers.attributes(call.headers)
    conditions = headers.write_conditions(call.headers)
    body = call.body()
    version = await call.registry.files.put(
        call.actor,
        call.bucket,
        call.key,
        body,
        attributes,
        conditions=conditions,
        checksum=body.expect.checksum_algorithm,
    )
    return Response(
        200, [("ETag", f'"{version.etag}"'), *headers.checksum(version.checksum), *headers.version_id(version)]
    )
