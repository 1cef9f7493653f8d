"""GetObject and HeadObject."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.http.conditions import is_modified
from gateway.http.ranges import content_range, parse_range
from gateway.http.sending import Response, Unsent
from gateway.s3 import headers
from gateway.s3.call import Call
from gateway.s3.errors import S3Error, invalid_argument
from registry.model import Checksum, FilePart, FileVersion

INLINE = 64 * 1024
"""Up to this many bytes are read at once and sent with the head; more are sent from the file."""
_MAX_PARTS = 10_000
_OF_NOT_MODIFIED = frozenset({"ETag", "Last-Modified", "Cache-Control", "Expires", "x-amz-version-id"})


async def get_object(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, and HeadObject beside it"""
    version = await call.registry.files.get(call.actor, call.bucket, call.key, named_version(call))
    described = headers.described(version)
    if not is_modified(call.headers, version.etag, version.created_at):
        return Response(304, [header for header in described if header[0] in _OF_NOT_MODIFIED])
    number = _part_number(call)
    wants_checksum = call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    if number is not None:
        status, start, stop = (
            206,
            *_append_part(
                described, version, await call.registry.files.parts(version), number, with_checksum=wants_checksum
            ),
        )
    elif (found := parse_range(call.headers.get("range"), version.size)) is not None:
        # A checksum of the whole would be held against the part that is sent.
        status, start, stop = 206, *found
    else:
        status, start, stop = 200, 0, version.size
        if wants_checksum:
            described += headers.checksum(version.checksum)
    if status == 206 and version.size:
        described.append(("Content-Range", content_range(start, stop, version.size)))
    _override(described, call)
    if call.method == "HEAD":
        return Response(status, described, Unsent(stop - start))
    if stop - start <= INLINE:
        return Response(status, described, await call.registry.files.read(version, start, stop))
    reader = await call.registry.files.open(version)
    return Response(status, described, call.sender.file(reader, start, stop))


def named_version(call: Call) -> str | None:
    """The version that the query names."""
    version_id = call.query.get("versionId")
    if version_id == "":
        raise invalid_argument("versionId", "", "Version id cannot be the empty string")
    return version_id


def _part_number(call: Call) -> int | None:
    said = call.query.get("partNumber")
    if said is None:
        return None
    if "range" in call.headers:
        raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    if not (said.isascii() and said.isdigit() and len(said) <= 5 and 1 <= int(said) <= _MAX_PARTS):
        raise invalid_argument(
            "partNumber", said, f"Part number must be an integer between 1 and {_MAX_PARTS}, inclusive"
        )
    return int(said)


def _append_part(
    described: list[tuple[str, str]],
    version: FileVersion,
    parts: Sequence[FilePart],
    number: int,
    *,
    with_checksum: bool,
) -> tuple[int, int]:
    """The bytes of one part. A file that came whole is its own part 1."""
    if not parts and number == 1:
        if with_checksum:
            described += headers.checksum(version.checksum)
        return 0, version.size
    part = next((part for part in parts if part.number == number), None)
    if part is None:
        raise S3Error(
            "InvalidPartNumber",
            fields={"ActualPartCount": str(len(parts) or 1), "PartNumberRequested": str(number)},
        )
    described.append(("x-amz-mp-parts-count", str(len(parts))))
    if with_checksum and part.checksum is not None and version.checksum is not None:
        described += headers.checksum(Checksum(version.checksum.algorithm, part.checksum, version.checksum.type))
    return part.offset, part.offset + part.size


def _override(described: list[tuple[str, str]], call: Call) -> None:
    """Let the query replace headers of the answer."""
    if not call.query:
        return
    for parameter, name in headers.RESPONSE_OVERRIDES.items():
        value = call.query.get(parameter)
        if value is not None:
            if not value.isprintable():
                raise invalid_argument(parameter, value, "A header cannot hold control characters.")
            described[:] = [header for header in described if header[0] != name]
            described.append((name, value))
