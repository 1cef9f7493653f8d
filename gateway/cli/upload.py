"""One file to S3: in one request, or in parts, taken up where an earlier attempt stopped."""

from __future__ import annotations

import mimetypes

from gateway.cli.parallel import together
from gateway.cli.progress import Progressed
from gateway.cli.s3 import S3, Part
from gateway.cli.tree import HashedFile, Slice

_ENCODED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


async def upload(s3: S3, bucket: str, key: str, file: HashedFile, sent: Progressed) -> None:
    """Send a file. Parts that S3 has of an earlier attempt, and that are right, are not sent again."""
    media_type = media_type_of(file.path)
    if len(file.slices) == 1:
        await s3.put(bucket, key, file.slices[0], content_type=media_type)
        sent(file.size)
        return
    there: dict[int, Part] = {}
    found = await s3.find_upload(bucket, key)
    if found is not None:
        there = {part.number: part async for part in s3.parts(bucket, key, found)}
    upload_id = found or await s3.create_upload(bucket, key, content_type=media_type)

    async def part_of(number: int, piece: Slice) -> Part:
        part = there.get(number)
        if part is None or (part.size, part.sha256) != (piece.size, piece.sha256):
            part = await s3.put_part(bucket, key, upload_id, number, piece)
        sent(piece.size)
        return part

    parts = await together(part_of(number, piece) for number, piece in enumerate(file.slices, 1))
    await s3.complete_upload(bucket, key, upload_id, parts)


def media_type_of(path: str) -> str | None:
    """What the name says about the content; None where it says nothing, for the server to choose."""
    guessed, encoding = mimetypes.guess_type(path)
    return guessed if encoding is None else _ENCODED.get(encoding)
