"""Bodies: what the headers announce, what is checked on the way, and when a slow sender is given up."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Coroutine, Iterable, Mapping

import pytest
from aiohttp.http_exceptions import TransferEncodingError
from aiohttp.web import RequestPayloadError

from gateway.auth import signer
from gateway.auth.errors import (
    IncompleteBody,
    InvalidDigest,
    InvalidRequest,
    MaxMessageLengthExceeded,
    MissingContentLength,
    RequestTimeout,
    SignatureDoesNotMatch,
    XAmzContentSHA256Mismatch,
)
from gateway.auth.payload import ChunkSeal, PayloadKind, PayloadPlan
from gateway.http.body import BATCH_BYTES, BATCH_PIECES, Body
from registry.digests import Digests
from registry.errors import DigestMismatchError
from registry.source import Source

UNSIGNED = PayloadPlan(PayloadKind.UNSIGNED)
STREAM = PayloadPlan(PayloadKind.STREAMING_UNSIGNED_TRAILER)
SEAL = ChunkSeal(b"k" * 32, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", "0" * 64)
SIGNED = PayloadPlan(PayloadKind.STREAMING_SIGNED, seal=SEAL)
CRC32_OF_ABC = base64.b64encode(0x352441C2.to_bytes(4, "big")).decode()


class Network:
    """A stream of pieces; an exception among them is raised, a number is slept."""

    def __init__(self, pieces: Iterable[bytes | Exception | float]) -> None:
        self._pieces = iter(pieces)

    async def readany(self) -> bytes:
        piece = next(self._pieces, b"")
        if isinstance(piece, float):
            await asyncio.sleep(piece)
            piece = next(self._pieces, b"")
        if isinstance(piece, Exception):
            raise piece
        assert isinstance(piece, bytes)
        return piece

    def is_eof(self) -> bool:
        return False


def body_of(
    pieces: Iterable[bytes | Exception | float],
    headers: Mapping[str, str],
    plan: PayloadPlan = UNSIGNED,
    **options: float,
) -> Body:
    return Body(Network(pieces), headers, plan, **options)  # type: ignore[arg-type] # one type for all options


async def collect(body: Source) -> bytes:
    return b"".join([bytes(piece) async for batch in body for piece in batch])


def sized(length: int) -> dict[str, str]:
    return {"content-length": str(length)}


def decoded(length: int, **headers: str) -> dict[str, str]:
    return {"x-amz-decoded-content-length": str(length)} | {name.replace("_", "-"): headers[name] for name in headers}


# --- lengths -------------------------------------------------------------------------------------------------------


async def test_plain_body_in_batches_that_are_not_copies() -> None:
    pieces = [bytes([n]) * 65536 for n in range(20)]
    body = body_of(pieces, sized(20 * 65536))
    batches = [batch async for batch in body]
    assert [len(batch) for batch in batches] == [8, 8, 4]
    assert [piece for batch in batches for piece in batch] == pieces
    assert all(piece is batch[0] for batch in batches[:1] for piece in [pieces[0]])
    assert sum(len(piece) for piece in batches[0]) == BATCH_BYTES
    assert body.exhausted


async def test_tiny_pieces_do_not_pile_up() -> None:
    batches = [batch async for batch in body_of([b"x"] * 3000, sized(3000))]
    assert max(len(batch) for batch in batches) == BATCH_PIECES


@pytest.mark.parametrize("headers", [sized(0), {}])
async def test_empty_body_has_no_batch(headers: dict[str, str]) -> None:
    body = body_of([], headers, length_required=False)
    assert body.length == 0
    assert [batch async for batch in body] == []
    assert body.exhausted


@pytest.mark.parametrize("length", ["", "x", "-1", "1.5", "\u0663", "9" * 30])
def test_length_that_is_no_number(length: str) -> None:
    with pytest.raises(MissingContentLength):
        body_of([], {"content-length": length})
    with pytest.raises(MissingContentLength):
        body_of([], {"content-length": "3", "x-amz-decoded-content-length": length}, STREAM)


def test_length_is_required() -> None:
    with pytest.raises(MissingContentLength):
        body_of([], {})
    with pytest.raises(MissingContentLength):
        body_of([], {"transfer-encoding": "chunked"}, STREAM)
    assert body_of([], {"transfer-encoding": "chunked"}).length is None


@pytest.mark.parametrize("pieces", [[b"ab"], [b"abcd"], [b"ab", b"cd"], []])
async def test_other_length_than_announced(pieces: list[bytes]) -> None:
    body = body_of(pieces, sized(3))
    with pytest.raises(IncompleteBody) as refusal:
        await collect(body)
    assert refusal.value.details == {
        "NumberBytesExpected": "3",
        "NumberBytesProvided": str(sum(map(len, pieces))),
    }
    assert not body.exhausted


@pytest.mark.parametrize("error", [ConnectionResetError(), RequestPayloadError(), TransferEncodingError("x")])
@pytest.mark.parametrize("headers", [sized(3), {"transfer-encoding": "chunked"}])
async def test_connection_lost(error: Exception, headers: dict[str, str]) -> None:
    with pytest.raises(IncompleteBody):
        await collect(body_of([b"ab", error], headers))


# --- slow senders --------------------------------------------------------------------------------------------------


class VirtualTime(asyncio.SelectorEventLoop):
    """A loop whose clock leaps to the next timer whenever nothing else is to be done."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        timers = [timer.when() for timer in self._scheduled if not timer.cancelled()]
        if timers and not self._ready:
            self._now = max(self._now, min(timers))
        super()._run_once()


def in_virtual_time(call: Coroutine[None, None, bytes]) -> bytes:
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(call)


DRIPS = [piece for _ in range(1000) for piece in (1.0, b"x")]


def test_stalled_sender() -> None:
    assert in_virtual_time(collect(body_of([b"ab", 59.0, b"c"], sized(3), stall_timeout=60.0))) == b"abc"
    with pytest.raises(RequestTimeout):
        in_virtual_time(collect(body_of([b"ab", 61.0, b"c"], sized(3), stall_timeout=60.0)))


def test_sender_of_drips() -> None:
    steady = body_of(DRIPS, sized(1000), stall_timeout=60.0, minimum_rate=1.0)
    assert in_virtual_time(collect(steady)) == b"x" * 1000
    slow = body_of(DRIPS, sized(1000), stall_timeout=60.0, minimum_rate=2.0)
    with pytest.raises(RequestTimeout):
        in_virtual_time(collect(slow))


def test_what_came_early_does_not_buy_a_long_stall() -> None:
    with pytest.raises(RequestTimeout):
        in_virtual_time(collect(body_of([b"x" * 100_000, 61.0, b"x"], sized(100_001), minimum_rate=1.0)))


def test_a_slow_receiver_is_not_the_senders_fault() -> None:
    async def receive() -> bytes:
        body = body_of([b"x" * BATCH_BYTES] * 3, sized(3 * BATCH_BYTES), stall_timeout=1.0, minimum_rate=1e9)
        async for _ in body:
            await asyncio.sleep(1000)
        return b""

    in_virtual_time(receive())


# --- framing -------------------------------------------------------------------------------------------------------


async def test_unsigned_trailer() -> None:
    pieces = signer.aws_chunked([b"abc"], trailer={"x-amz-checksum-crc32": CRC32_OF_ABC})
    body = body_of(pieces, decoded(3, x_amz_trailer="x-amz-checksum-crc32"), STREAM)
    assert (body.length, body.expect.checksum_algorithm, body.expect.checksum_value) == (3, "CRC32", None)
    assert await collect(body) == b"abc"
    assert body.expect.checksum_value == CRC32_OF_ABC
    assert body.exhausted


@pytest.mark.parametrize("size", [100, 3_000_000])
async def test_signed_chunks(size: int) -> None:
    payload = b"x" * size
    chunks = [payload[i : i + 65536] for i in range(0, size, 65536)]
    assert await collect(body_of(signer.aws_chunked(chunks, SEAL), decoded(size), SIGNED)) == payload

    spoilt = [*signer.aws_chunked(chunks, SEAL)]
    spoilt[-3] = spoilt[-3].replace(b"x", b"y", 1)
    body = body_of(spoilt, decoded(size), SIGNED)
    with pytest.raises(SignatureDoesNotMatch):
        await collect(body)
    assert not body.exhausted


async def test_truncated_chunks() -> None:
    with pytest.raises(IncompleteBody) as refusal:
        await collect(body_of([b"3\r\nab"], decoded(3), STREAM))
    assert refusal.value.details == {"NumberBytesExpected": "3", "NumberBytesProvided": "2"}


@pytest.mark.parametrize("value", ["NSRBwg=", "!!!!", "", "AAAA", "NSRBwg==NSRBwg=="])
async def test_trailer_that_is_no_base64(value: str) -> None:
    pieces = signer.aws_chunked([b"abc"], trailer={"x-amz-checksum-crc32": value})
    with pytest.raises(InvalidRequest, match="Value for x-amz-checksum-crc32 trailing header is invalid"):
        await collect(body_of(pieces, decoded(3, x_amz_trailer="x-amz-checksum-crc32"), STREAM))


# --- what is announced ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("md5", ["", "x", "AAAA", "kAFQmDzST7DWlj99KOF/cg", "kAFQmDzST7DWlj99KOF/cg==\n", "\xe9"])
def test_invalid_content_md5(md5: str) -> None:
    with pytest.raises(InvalidDigest):
        body_of([], sized(3) | {"content-md5": md5})


@pytest.mark.parametrize(
    ("headers", "plan"),
    [
        ({"x-amz-checksum-crc32": "NSRBwg==", "x-amz-checksum-sha1": "A" * 27 + "="}, UNSIGNED),
        ({"x-amz-checksum-crc32": "NSRBwg==", "x-amz-trailer": "x-amz-checksum-crc32"}, STREAM),
        ({"x-amz-trailer": "x-amz-checksum-crc32, x-amz-checksum-crc32c"}, STREAM),
        ({"x-amz-trailer": "x-amz-checksum-whirlpool"}, STREAM),
        ({"x-amz-trailer": "x-amz-meta-a"}, STREAM),
        ({"x-amz-trailer": "x-amz-checksum-crc32"}, UNSIGNED),
        ({"x-amz-checksum-whirlpool": "NSRBwg=="}, UNSIGNED),
        ({"x-amz-checksum-crc32": "NSRBwg"}, UNSIGNED),
        ({"x-amz-checksum-crc32": "NSRBwgAAAAAA"}, UNSIGNED),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, UNSIGNED),
        ({"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": "NSRBwg=="}, UNSIGNED),
    ],
)
def test_contradictory_or_unknown_checksums(headers: dict[str, str], plan: PayloadPlan) -> None:
    with pytest.raises(InvalidRequest):
        body_of([], sized(3) | decoded(3) | headers, plan)


def test_checksums_of_an_object_are_not_the_bodys() -> None:
    headers = sized(3) | {"x-amz-checksum-crc32": "AAAAAA==-3", "x-amz-checksum-type": "COMPOSITE"}
    assert body_of([], headers, checksum_of_body=False).expect.checksum_algorithm is None


def test_words_about_checksums_are_no_checksums() -> None:
    headers = sized(3) | {"x-amz-checksum-type": "FULL_OBJECT", "x-amz-checksum-algorithm": "CRC32"}
    assert body_of([], headers).expect.checksum_algorithm is None


def test_finish_compares_the_signed_digest() -> None:
    digests = Digests()
    digests.update([b"abc"])
    body_of([], sized(3), PayloadPlan(PayloadKind.PLAIN, hashlib.sha256(b"abc").hexdigest())).finish(digests)
    body_of([], sized(3)).finish(digests)
    with pytest.raises(XAmzContentSHA256Mismatch) as refusal:
        body_of([], sized(3), PayloadPlan(PayloadKind.PLAIN, "0" * 64)).finish(digests)
    assert refusal.value.details == {
        "ClientComputedContentSHA256": "0" * 64,
        "S3ComputedContentSHA256": hashlib.sha256(b"abc").hexdigest(),
    }


# --- bodies that are read whole ------------------------------------------------------------------------------------


async def test_read_verifies_all_that_was_announced() -> None:
    good = sized(3) | {
        "content-md5": base64.b64encode(hashlib.md5(b"abc").digest()).decode(),
        "x-amz-checksum-crc32": CRC32_OF_ABC,
    }
    plan = PayloadPlan(PayloadKind.PLAIN, hashlib.sha256(b"abc").hexdigest())
    assert await body_of([b"a", b"bc"], good, plan).read(3) == b"abc"
    with pytest.raises(XAmzContentSHA256Mismatch):
        await body_of([b"abd"], good, plan).read(3)
    with pytest.raises(DigestMismatchError) as refusal:
        await body_of([b"abd"], good).read(3)
    assert refusal.value.kind == "Content-MD5"
    del good["content-md5"]
    with pytest.raises(DigestMismatchError) as refusal:
        await body_of([b"abd"], good).read(3)
    assert (refusal.value.kind, refusal.value.expected) == ("CRC32", CRC32_OF_ABC)


async def test_read_is_bounded() -> None:
    large = b"x" * 100_000
    assert await body_of([large], sized(100_000)).read(100_000) == large
    with pytest.raises(MaxMessageLengthExceeded) as refusal:
        await body_of([large], sized(100_000)).read(99_999)
    assert refusal.value.details == {"MaxMessageLengthBytes": "99999"}
    with pytest.raises(MaxMessageLengthExceeded):
        await body_of([large] * 1000, {"transfer-encoding": "chunked"}).read(99_999)
