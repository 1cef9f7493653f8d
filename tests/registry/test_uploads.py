"""Multipart uploads: the whole is what its parts say, proven; what is refused changes nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os

import pytest

from registry.digests import Digests
from registry.errors import (
    DigestMismatchError,
    FileNotFoundInRegistryError,
    InvalidArgumentError,
    InvalidPartError,
    InvalidPartOrderError,
    InvalidRequestError,
    PartTooSmallError,
    PreconditionFailedError,
    UploadNotFoundError,
)
from registry.files import WriteConditions
from registry.model import AuditQuery, Checksum, ChecksumType, FileAttributes, Upload, UploadPart
from registry.uploads import PART_MINIMUM, CompletedPart
from tests.registry.world import Bytes, World

FIRST = os.urandom(PART_MINIMUM)
SECOND = os.urandom(1000)


async def begin(world: World, key: str = "run/big", **options: object) -> Upload:
    return await world.registry.uploads.create(
        world.alice,
        "evidence",
        key,
        FileAttributes(content_type="x/y"),
        **options,  # type: ignore[arg-type]
    )


async def send(world: World, upload: Upload, number: int, data: bytes, checksum: str | None = None) -> UploadPart:
    return await world.registry.uploads.put_part(
        world.alice, "evidence", upload.key, upload.id, number, Bytes(data), checksum=checksum
    )


async def complete(world: World, upload: Upload, parts: list[UploadPart], **options: object):  # noqa: ANN201
    named = [CompletedPart(part.number, part.etag, part.checksum) for part in parts]
    return await world.registry.uploads.complete(
        world.alice,
        "evidence",
        upload.key,
        upload.id,
        named,
        **options,  # type: ignore[arg-type]
    )


async def test_the_whole_is_what_its_parts_say(world: World) -> None:
    await world.repository()
    upload = await begin(world)
    parts = [await send(world, upload, 2, FIRST), await send(world, upload, 5, SECOND)]
    version = await complete(world, upload, parts)
    joined = hashlib.md5(hashlib.md5(FIRST).digest() + hashlib.md5(SECOND).digest()).hexdigest()
    assert version.etag == f"{joined}-2"
    assert version.sha256 == hashlib.sha256(FIRST + SECOND).hexdigest()
    assert version.checksum is not None
    assert version.checksum.type is ChecksumType.FULL_OBJECT
    assert version.attributes.content_type == "x/y"
    assert await world.read("run/big") == FIRST + SECOND
    stored = await world.registry.files.get(world.alice, "evidence", "run/big")
    split = await world.registry.files.parts(stored)
    assert [(part.number, part.offset, part.size) for part in split] == [(2, 0, len(FIRST)), (5, len(FIRST), 1000)]
    listed = await world.registry.uploads.list(world.alice, "evidence")
    assert not listed.uploads
    with pytest.raises(UploadNotFoundError):
        await send(world, upload, 1, b"late")


async def test_a_completion_can_be_repeated(world: World) -> None:
    await world.repository()
    upload = await begin(world)
    parts = [await send(world, upload, 1, SECOND)]
    versions = await asyncio.gather(*(complete(world, upload, parts) for _ in range(4)))
    versions.append(await complete(world, upload, parts))
    assert len({version.id for version in versions}) == 1
    assert await world.read("run/big") == SECOND


async def test_composite_checksums(world: World) -> None:
    await world.repository()
    upload = await begin(world, checksum_algorithm="SHA256", checksum_type=ChecksumType.COMPOSITE)
    parts = [await send(world, upload, 1, FIRST, "SHA256"), await send(world, upload, 2, SECOND, "SHA256")]
    raw = hashlib.sha256(hashlib.sha256(FIRST).digest() + hashlib.sha256(SECOND).digest()).digest()
    value = base64.b64encode(raw).decode() + "-2"
    wrong = Checksum("SHA256", base64.b64encode(bytes(32)).decode() + "-2", ChecksumType.COMPOSITE)
    with pytest.raises(DigestMismatchError):
        await complete(world, upload, parts, checksum=wrong)
    version = await complete(world, upload, parts)
    assert version.checksum == Checksum("SHA256", value, ChecksumType.COMPOSITE)


async def test_full_object_checksums(world: World) -> None:
    await world.repository()
    upload = await begin(world, checksum_algorithm="CRC32", checksum_type=ChecksumType.FULL_OBJECT)
    parts = [await send(world, upload, 1, FIRST, "CRC32"), await send(world, upload, 2, SECOND, "CRC32")]
    digests = Digests(["CRC32"])
    digests.update((FIRST, SECOND))
    with pytest.raises(DigestMismatchError):
        await complete(world, upload, parts, checksum=Checksum("CRC32", "AAAAAA=="))
    version = await complete(world, upload, parts, checksum=Checksum("CRC32", digests.base64("CRC32")))
    assert version.checksum == Checksum("CRC32", digests.base64("CRC32"))


async def test_parts_of_another_algorithm(world: World) -> None:
    await world.repository()
    upload = await begin(world, checksum_algorithm="CRC32")
    with pytest.raises(InvalidRequestError):
        await send(world, upload, 1, SECOND, "SHA1")
    unsaid = await begin(world, "run/unsaid")
    part = await send(world, unsaid, 1, SECOND, "CRC32")
    assert (await complete(world, unsaid, [UploadPart(1, part.size, part.etag, 0)])).size == 1000


async def test_what_a_completion_gets_wrong(world: World) -> None:
    await world.repository()
    upload = await begin(world)
    one, two = await send(world, upload, 1, SECOND), await send(world, upload, 2, SECOND + b"!")
    with pytest.raises(PartTooSmallError):
        await complete(world, upload, [one, two])
    with pytest.raises(InvalidPartOrderError):
        await complete(world, upload, [two, one])
    with pytest.raises(InvalidPartOrderError):
        await complete(world, upload, [one, one])
    with pytest.raises(InvalidPartError):
        await complete(world, upload, [UploadPart(1, 1000, two.etag, 0)])
    with pytest.raises(InvalidPartError):
        await complete(world, upload, [UploadPart(3, 1000, one.etag, 0)])
    with pytest.raises(InvalidRequestError):
        await complete(world, upload, [])
    with pytest.raises(InvalidRequestError):
        await complete(world, upload, [one], size=999)
    with pytest.raises(FileNotFoundInRegistryError):
        await complete(world, upload, [one], conditions=WriteConditions(if_match="*"))
    await world.put("run/big", b"there")
    with pytest.raises(PreconditionFailedError):
        await complete(world, upload, [one], conditions=WriteConditions(if_none_match="*"))
    assert await world.read("run/big") == b"there"
    await complete(world, upload, [one])
    assert await world.read("run/big") == SECOND


async def test_a_part_sent_again_replaces(world: World) -> None:
    await world.repository()
    upload = await begin(world)
    await send(world, upload, 1, b"first")
    part = await send(world, upload, 1, b"second")
    await complete(world, upload, [part])
    assert await world.read("run/big") == b"second"


async def test_abort(world: World) -> None:
    await world.repository()
    upload = await begin(world)
    await send(world, upload, 1, SECOND)
    await world.registry.uploads.abort(world.alice, "evidence", "run/big", upload.id)
    with pytest.raises(UploadNotFoundError):
        await world.registry.uploads.abort(world.alice, "evidence", "run/big", upload.id)
    with pytest.raises(UploadNotFoundError):
        await send(world, upload, 1, SECOND)
    assert [blob async for blob in world.store.walk()] == []
    told = await world.registry.audit.query(world.alice, AuditQuery(action="upload.abort"))
    assert [(entry.resource, entry.actor) for entry in told.items] == [("run/big", "alice")]
    await world.registry.repositories.delete(world.alice, "evidence")


async def test_part_numbers(world: World) -> None:
    await world.repository()
    upload = await begin(world)
    for number in (0, -1, 10_001):
        with pytest.raises(InvalidArgumentError):
            await send(world, upload, number, b"x")
    await send(world, upload, 10_000, b"x")


async def test_copying_a_part(world: World) -> None:
    await world.repository()
    await world.put("source", FIRST)
    source = await world.registry.files.get(world.alice, "evidence", "source")
    upload = await begin(world)
    part = await world.registry.uploads.copy_part(world.alice, source, 100, 1100, "evidence", "run/big", upload.id, 1)
    await complete(world, upload, [part])
    assert await world.read("run/big") == FIRST[100:1100]


async def test_lists(world: World) -> None:
    await world.repository()
    for key in ("a/1", "a/1", "a/2", "b", "c/x", "c/y"):
        await begin(world, key)
    uploads = world.registry.uploads
    page = await uploads.list(world.alice, "evidence", delimiter="/")
    assert ([upload.key for upload in page.uploads], list(page.prefixes)) == (["b"], ["a/", "c/"])
    found: list[str] = []
    key_marker = id_marker = ""
    while True:
        page = await uploads.list(world.alice, "evidence", key_marker=key_marker, upload_id_marker=id_marker, limit=1)
        found += [upload.key for upload in page.uploads]
        if page.next_key is None:
            break
        key_marker, id_marker = page.next_key, page.next_upload_id or ""
    assert found == ["a/1", "a/1", "a/2", "b", "c/x", "c/y"]
    lines: list[str] = []
    key_marker = id_marker = ""
    while True:
        page = await uploads.list(
            world.alice, "evidence", delimiter="/", key_marker=key_marker, upload_id_marker=id_marker, limit=1
        )
        lines += [upload.key for upload in page.uploads] + list(page.prefixes)
        if page.next_key is None:
            break
        key_marker, id_marker = page.next_key, page.next_upload_id or ""
    assert lines == ["a/", "b", "c/"]
    upload = await begin(world, "parts")
    for number in (1, 2, 3):
        await send(world, upload, number, b"x")
    parts = await uploads.list_parts(world.alice, "evidence", "parts", upload.id, limit=2)
    assert ([part.number for part in parts.parts], parts.next_number) == ([1, 2], 2)
    rest = await uploads.list_parts(world.alice, "evidence", "parts", upload.id, after=2, limit=2)
    assert ([part.number for part in rest.parts], rest.next_number) == ([3], None)
