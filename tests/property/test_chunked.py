"""The aws-chunked decoder gives back any payload however it is cut, and meets any garbage with a refusal of its own."""

from __future__ import annotations

import contextlib
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.auth import signer
from gateway.auth.chunked import ChunkedDecoder
from gateway.auth.errors import RequestRefused
from gateway.auth.payload import ChunkSeal, PayloadKind, PayloadPlan

SEAL = ChunkSeal(b"k" * 32, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", "0" * 64)
TRAILER = "x-amz-checksum-crc32"
PLANS = {
    PayloadKind.STREAMING_SIGNED: PayloadPlan(PayloadKind.STREAMING_SIGNED, seal=SEAL),
    PayloadKind.STREAMING_SIGNED_TRAILER: PayloadPlan(PayloadKind.STREAMING_SIGNED_TRAILER, seal=SEAL),
    PayloadKind.STREAMING_UNSIGNED_TRAILER: PayloadPlan(PayloadKind.STREAMING_UNSIGNED_TRAILER),
}
plans = st.sampled_from(list(PLANS.values()))
cuts = st.lists(st.integers(0, 50_000), max_size=12)


def pieces_of(body: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in at)})
    return [body[start:stop] for start, stop in pairwise(edges)]


def decode(decoder: ChunkedDecoder, pieces: list[bytes]) -> bytes:
    payload = []
    for piece in pieces:
        payload += decoder.feed(piece)
        decoder.prove()
    decoder.close()
    decoder.prove()
    return b"".join(payload)


@given(plans, st.lists(st.integers(8192, 9000), max_size=3), st.integers(0, 100), st.booleans(), cuts)
@settings(max_examples=200, deadline=None)
def test_round_trip(plan: PayloadPlan, sizes: list[int], last: int, with_trailer: bool, at: list[int]) -> None:
    chunks = [bytes([n + 1]) * size for n, size in enumerate([*sizes, last]) if size]
    trailer = {TRAILER: "NSRBwg=="} if with_trailer and plan.kind.has_trailer else {}
    body = b"".join(signer.aws_chunked(chunks, plan.seal, trailer))
    payload = b"".join(chunks)
    decoder = ChunkedDecoder(plan, len(payload), trailer)
    assert decode(decoder, pieces_of(body, at)) == payload
    assert decoder.trailers == trailer


@given(plans, st.binary(max_size=300), cuts)
@settings(max_examples=300, deadline=None)
def test_garbage(plan: PayloadPlan, garbage: bytes, at: list[int]) -> None:
    with contextlib.suppress(RequestRefused):
        decode(ChunkedDecoder(plan, len(garbage), [TRAILER]), pieces_of(garbage, at))


@given(plans, st.integers(0, 400), st.binary(min_size=1, max_size=3), st.booleans(), cuts)
@settings(max_examples=300, deadline=None)
def test_damaged_framing_never_passes_for_another_payload(
    plan: PayloadPlan,
    position: int,
    damage: bytes,
    insert: bool,
    at: list[int],
) -> None:
    payload = b"x" * 60
    body = b"".join(signer.aws_chunked([payload], plan.seal, {TRAILER: "NSRBwg=="} if plan.kind.has_trailer else {}))
    position %= len(body)
    damaged = body[:position] + damage + body[position + (0 if insert else len(damage)) :]
    decoder = ChunkedDecoder(plan, 60, [TRAILER] if plan.kind.has_trailer else [])
    try:
        decoded = decode(decoder, pieces_of(damaged, at))
    except RequestRefused:
        return
    assert len(decoded) == 60
    if plan.kind.signed_chunks:
        assert decoded == payload
