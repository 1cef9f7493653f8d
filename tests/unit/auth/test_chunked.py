"""The aws-chunked decoder: AWS's published examples at every split, and every way a body may be broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from gateway.auth import signer
from gateway.auth.canonical import signing_key
from gateway.auth.chunked import MAX_LINE, MAX_TRAILER, ChunkedDecoder
from gateway.auth.errors import (
    IncompleteBody,
    InvalidChunkSizeError,
    MalformedTrailerError,
    SignatureDoesNotMatch,
)
from gateway.auth.payload import ChunkSeal, PayloadKind, PayloadPlan

PUBLISHED_SEAL = ChunkSeal(
    signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1"),
    "20130524T000000Z",
    "20130524/us-east-1/s3/aws4_request",
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
)
PUBLISHED_BODY = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
)
PUBLISHED_TRAILER_SEAL = ChunkSeal(
    PUBLISHED_SEAL.signing_key,
    PUBLISHED_SEAL.timestamp,
    PUBLISHED_SEAL.scope,
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
)
PUBLISHED_TRAILER_BODY = (
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    b"x-amz-checksum-crc32c:sOO8/Q==\n\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)
SIGNED = PayloadPlan(PayloadKind.STREAMING_SIGNED, seal=PUBLISHED_SEAL)
SIGNED_TRAILER = PayloadPlan(PayloadKind.STREAMING_SIGNED_TRAILER, seal=PUBLISHED_TRAILER_SEAL)
UNSIGNED = PayloadPlan(PayloadKind.STREAMING_UNSIGNED_TRAILER)
CRC = "x-amz-checksum-crc32"


def decode(
    pieces: Iterable[bytes], plan: PayloadPlan = UNSIGNED, length: int | None = None, trailers: Sequence[str] = ()
) -> tuple[bytes, dict[str, str]]:
    decoder = ChunkedDecoder(plan, length, trailers)
    payload = []
    for piece in pieces:
        payload += decoder.feed(piece)
        decoder.prove()
    decoder.close()
    decoder.prove()
    return b"".join(payload), decoder.trailers


def splits(body: bytes, where: Iterable[int]) -> Iterable[tuple[bytes, bytes]]:
    return ((body[:position], body[position:]) for position in where)


def edges(body: bytes, reach: int) -> Iterable[int]:
    """Every position but those deep inside the payload of the published bodies."""
    inside = body.index(b"\r\n") + 200
    return (*range(inside), *range(65536, 65536 + reach), len(body) - 1)


def test_published_signed_chunks_at_every_split() -> None:
    for pieces in splits(PUBLISHED_BODY, edges(PUBLISHED_BODY, len(PUBLISHED_BODY) - 65536)):
        payload, _ = decode(pieces, SIGNED, 66560)
        assert payload == b"a" * 66560


def test_published_signed_trailer_at_every_split() -> None:
    for pieces in splits(PUBLISHED_TRAILER_BODY, edges(PUBLISHED_TRAILER_BODY, len(PUBLISHED_TRAILER_BODY) - 65536)):
        payload, trailers = decode(pieces, SIGNED_TRAILER, 66560, ["x-amz-checksum-crc32c"])
        assert payload == b"a" * 66560
        assert trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


def test_signer_reproduces_the_published_bodies() -> None:
    chunks = [b"a" * 65536, b"a" * 1024]
    assert b"".join(signer.aws_chunked(chunks, PUBLISHED_SEAL)) == PUBLISHED_BODY
    made = b"".join(signer.aws_chunked(chunks, PUBLISHED_TRAILER_SEAL, {"x-amz-checksum-crc32c": "sOO8/Q=="}))
    assert made == PUBLISHED_TRAILER_BODY.replace(b"==\n\r\n", b"==\r\n")


def test_payload_is_never_copied() -> None:
    body = b"".join(signer.aws_chunked([b"x" * 8192, b"y" * 10]))
    stretches = ChunkedDecoder(UNSIGNED, 8202).feed(body)
    assert [stretch.obj is body for stretch in stretches] == [True, True]


@pytest.mark.parametrize(
    "end",
    [
        b"0\r\n\r\n",
        b"0\r\n",
        b"0",
        b"0\r",
        b"000\r\n\r\n",
        b"0\r\n\r\nbytes after the end\r\n",
        b"0;extension=1\r\n\r\n",
    ],
)
def test_ends_that_s3_takes(end: bytes) -> None:
    body = b"3\r\nabc\r\n" + end
    assert decode([body], length=3) == (b"abc", {})
    assert decode([body[i : i + 1] for i in range(len(body))], length=3) == (b"abc", {})


@pytest.mark.parametrize(
    "end",
    [
        b"0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n",
        b"0\r\nX-Amz-Checksum-CRC32: NSRBwg== \r\n\r\n",
        b"0\r\nx-amz-checksum-crc32:NSRBwg==\n\r\n",
        b"0\r\nx-amz-checksum-crc32:NSRBwg==\r\n",
        b"0\r\nx-amz-checksum-crc32:NSRBwg==",
        b"0\r\n\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n",
    ],
)
def test_trailers_that_s3_takes(end: bytes) -> None:
    body = b"3\r\nabc\r\n" + end
    for pieces in ([body], [body[i : i + 1] for i in range(len(body))]):
        assert decode(pieces, length=3, trailers=[CRC]) == (b"abc", {CRC: "NSRBwg=="})


@pytest.mark.parametrize(
    "end",
    [
        b"0\r\n\r\n",
        b"0\r\n",
        b"0\r\nx-amz-checksum-crc32c:NSRBwg==\r\n\r\n",
        b"0\r\nx-amz-checksum-crc32:NSRBwg==\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n",
        b"0\r\nx-amz-checksum-crc32\r\n\r\n",
        b"0\r\nx-amz-checksum-crc32:\xff\r\n\r\n",
        b"0\r\nx-amz-checksum-crc32:NSRBwg==\r\nx-amz-trailer-signature:aa\r\n\r\n",
        b"0\r\nx-amz-meta-a:b\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n",
    ],
)
def test_trailer_missing_or_different(end: bytes) -> None:
    with pytest.raises(MalformedTrailerError):
        decode([b"3\r\nabc\r\n" + end], length=3, trailers=[CRC])


def test_trailer_that_was_not_declared() -> None:
    with pytest.raises(MalformedTrailerError):
        decode([b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"], length=3)


def test_trailer_of_a_signed_stream_must_be_signed() -> None:
    unsigned = PUBLISHED_TRAILER_BODY.partition(b"x-amz-trailer-signature")[0]
    for end in (b"", b"\r\n"):
        with pytest.raises(MalformedTrailerError):
            decode([unsigned + end], SIGNED_TRAILER, 66560, ["x-amz-checksum-crc32c"])
    for changed in (
        PUBLISHED_TRAILER_BODY.replace(b"sOO8", b"sOO9"),
        PUBLISHED_TRAILER_BODY.replace(b"signature:d8", b"signature:d9"),
        PUBLISHED_TRAILER_BODY.replace(b"signature:d8", b"signature:"),
    ):
        with pytest.raises(SignatureDoesNotMatch):
            decode([changed], SIGNED_TRAILER, 66560, ["x-amz-checksum-crc32c"])


@pytest.mark.parametrize("position", [100, 40000, 65712, 66500])
def test_changed_payload_of_a_signed_stream(position: int) -> None:
    body = bytearray(PUBLISHED_BODY)
    assert body[position : position + 1] == b"a"
    body[position] ^= 1
    with pytest.raises(SignatureDoesNotMatch):
        decode([bytes(body)], SIGNED, 66560)


@pytest.mark.parametrize("position", [30, 65536 + 130, len(PUBLISHED_BODY) - 10])
def test_changed_chunk_signature(position: int) -> None:
    body = bytearray(PUBLISHED_BODY)
    body[position] = ord("0") if body[position] != ord("0") else ord("1")
    with pytest.raises(SignatureDoesNotMatch):
        decode([bytes(body)], SIGNED, 66560)


def test_chunks_in_another_order_do_not_chain() -> None:
    chunks = [b"a" * 8192, b"b" * 8192]
    first, payload, second, other, *rest = signer.aws_chunked(chunks, PUBLISHED_SEAL)
    with pytest.raises(SignatureDoesNotMatch):
        decode([second, other, first, payload, *rest], SIGNED, 16384)


@pytest.mark.parametrize("cut", [0, 1, 50, 90, 1000, 65536 + 91, 65536 + 200, 66700, 66750])
def test_truncation_before_the_last_chunk(cut: int) -> None:
    with pytest.raises(IncompleteBody) as refusal:
        decode([PUBLISHED_BODY[:cut]], SIGNED, 66560)
    assert refusal.value.details["NumberBytesExpected"] == "66560"
    assert int(refusal.value.details["NumberBytesProvided"]) <= cut


def test_announced_length_is_kept() -> None:
    body = b"3\r\nabc\r\n0\r\n\r\n"
    for length in (2, 4):
        with pytest.raises(IncompleteBody) as refusal:
            decode([body], length=length)
        assert refusal.value.details == {"NumberBytesExpected": str(length), "NumberBytesProvided": "3"}


def test_a_chunk_larger_than_announced_is_refused_before_it_comes() -> None:
    with pytest.raises(IncompleteBody):
        ChunkedDecoder(UNSIGNED, 10).feed(b"ffffffffffffffff\r\n")


def test_only_the_last_chunk_may_be_small() -> None:
    assert decode([*signer.aws_chunked([b"x" * 8192, b"y"])], length=8193)[0] == b"x" * 8192 + b"y"
    with pytest.raises(InvalidChunkSizeError) as refusal:
        decode([*signer.aws_chunked([b"x" * 8192, b"y" * 8191, b"z"])], length=16384)
    assert refusal.value.details == {"Chunk": "2", "BadChunkSize": "8191"}


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n3\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"0_3\r\nabc\r\n0\r\n\r\n",
        b" 3\r\nabc\r\n0\r\n\r\n",
        b"g\r\nabc\r\n0\r\n\r\n",
        b";\r\nabc\r\n0\r\n\r\n",
        b"00000000000000003\r\nabc\r\n0\r\n\r\n",
        b"3;" + b"x" * MAX_LINE + b"\r\nabc\r\n0\r\n\r\n",
        b"just the file itself, without any framing",
        b"x" * 100_000,
    ],
)
def test_garbage_framing(body: bytes) -> None:
    for size in (1, 7, len(body)):
        with pytest.raises(IncompleteBody):
            decode([body[i : i + size] for i in range(0, len(body), size)], length=3)


@pytest.mark.parametrize("header", [b"3", b"3;", b"3;chunk-signature=", b"3;chunk-signature=" + b"g" * 64, b"3;a=b"])
def test_signed_stream_with_a_chunk_that_is_not(header: bytes) -> None:
    with pytest.raises(IncompleteBody, match="a chunk has no signature"):
        decode([header + b"\r\nabc\r\n0\r\n\r\n"], SIGNED, 3)


def test_trailer_and_what_follows_it_are_bounded() -> None:
    for end in (b"x" * MAX_TRAILER * 2, b"\r\n" * MAX_TRAILER, b"\r\n" + b"x" * MAX_TRAILER):
        body = b"0\r\n" + end
        with pytest.raises(IncompleteBody, match="no end"):
            decode([body[position : position + 100] for position in range(0, len(body), 100)], length=0)


def test_refusals_tell_no_key() -> None:
    decoder = ChunkedDecoder(SIGNED, 66560)
    decoder.feed(PUBLISHED_BODY.replace(b"=ad80", b"=0000"))
    with pytest.raises(SignatureDoesNotMatch) as refusal:
        decoder.prove()
    told = f"{refusal.value!r} {refusal.value.args} {dict(refusal.value.details)} {SIGNED!r}"
    assert PUBLISHED_SEAL.signing_key.hex() not in told
    assert repr(PUBLISHED_SEAL.signing_key) not in told
    assert refusal.value.details == {
        "SignatureProvided": "0000c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
    }
