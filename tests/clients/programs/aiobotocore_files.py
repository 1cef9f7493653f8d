"""aiobotocore: streams in and out, many requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from aiobotocore.session import get_session
from program import ENDPOINT, PART_SIZE, main

_AT_ONCE = 8


class Aiobotocore:
    def push(self, files: Iterable[tuple[Path, str]], bucket: str) -> None:
        async def one(s3: Any, path: Path, key: str) -> None:
            if path.stat().st_size <= PART_SIZE:
                with path.open("rb") as file:
                    await s3.put_object(Bucket=bucket, Key=key, Body=file)
            else:
                await self._push_parts(s3, path, bucket, key)

        asyncio.run(_each(one, files))

    async def _push_parts(self, s3: Any, path: Path, bucket: str, key: str) -> None:
        target = {"Bucket": bucket, "Key": key}
        upload = await s3.create_multipart_upload(**target, ChecksumAlgorithm="CRC32")
        target["UploadId"] = upload["UploadId"]
        parts = []
        with path.open("rb") as file:
            while block := file.read(PART_SIZE):
                number = len(parts) + 1
                answer = await s3.upload_part(**target, PartNumber=number, Body=block)
                parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
        await s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})

    def list(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        async def pages() -> list[tuple[str, int]]:
            async with get_session().create_client("s3", endpoint_url=ENDPOINT) as s3:
                found = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
                return [(item["Key"], item["Size"]) async for page in found for item in page.get("Contents", [])]

        return asyncio.run(pages())

    def pull(self, bucket: str, files: Iterable[tuple[str, Path]]) -> None:
        async def one(s3: Any, key: str, path: Path) -> None:
            answer = await s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            with path.open("wb") as file:
                async with answer["Body"] as stream:
                    while block := await stream.read(1 << 16):
                        file.write(block)

        asyncio.run(_each(one, list(files)))

    def remove(self, bucket: str, keys: list[str]) -> None:
        async def one(s3: Any, key: str) -> None:
            await s3.delete_object(Bucket=bucket, Key=key)

        asyncio.run(_each(one, [(key,) for key in keys]))


async def _each(one: Callable[..., Awaitable[None]], arguments: Iterable[tuple[Any, ...]]) -> None:
    """Call `one` with a client and each of the arguments."""
    free = asyncio.Semaphore(_AT_ONCE)
    async with get_session().create_client("s3", endpoint_url=ENDPOINT) as s3:

        async def bounded(*values: Any) -> None:
            async with free:
                await one(s3, *values)

        await asyncio.gather(*(bounded(*values) for values in arguments))


main(Aiobotocore())
