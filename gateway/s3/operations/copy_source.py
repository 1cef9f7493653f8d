"""What a copy is made of: `x-amz-copy-source`, and the conditions on it."""

from __future__ import annotations

from gateway.http.conditions import COPY_SOURCE, is_modified
from gateway.s3.address import decode
from gateway.s3.call import Call
from gateway.s3.errors import S3Error, invalid_argument, not_implemented
from registry.errors import PreconditionFailedError
from registry.model import FileVersion

HEADER = "x-amz-copy-source"
LIMIT = 5 * 1024**3
"""Bytes of the largest source, or stretch of one, that a copy takes."""


def parse(said: str) -> tuple[str, str, str | None]:
    """Bucket, key and version id of a copy source: percent-encoded, with or without a slash in front.

    The version id is split off before decoding: a `?` inside a key comes encoded.
    """
    path, _, version_id = said.partition("?versionId=")
    if path.startswith("arn:"):
        raise not_implemented("x-amz-copy-source with an ARN")
    bucket, _, key = decode(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise invalid_argument(
            HEADER, said, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        )
    return bucket, key, decode(version_id) or None


async def copy_source(call: Call) -> FileVersion:
    """The version to be copied: the actor may read it, and the conditions on it hold."""
    bucket, key, version_id = parse(call.headers[HEADER])
    await call.check_owner("x-amz-source-expected-bucket-owner", bucket)
    version = await call.registry.files.get(call.actor, bucket, key, version_id)
    if not is_modified(call.headers, version.etag, version.created_at, COPY_SOURCE):
        raise PreconditionFailedError(HEADER + "-if-none-match or -if-modified-since")
    return version


def check_size(size: int) -> None:
    """Raise for more than one copy takes."""
    if size > LIMIT:
        raise S3Error(
            "InvalidRequest",
            f"The specified copy source is larger than the maximum allowable size for a copy source: {LIMIT}",
        )
