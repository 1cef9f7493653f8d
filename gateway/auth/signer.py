"""Signing of requests with AWS Signature Version 4 for S3: the other side of `gateway.auth.sigv4`.

Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Protocol

from gateway.auth import canonical
from gateway.auth.canonical import ALGORITHM, SERVICE, TERMINATOR, CanonicalRequest
from gateway.auth.payload import UNSIGNED_PAYLOAD, ChunkSeal


class KeyPair(Protocol):
    """What it takes to sign; `registry.model.Credential` is one."""

    @property
    def access_key(self) -> str: ...

    @property
    def secret(self) -> str: ...


def sign(
    method: str,
    target: str,
    headers: Mapping[str, str],
    payload_hash: str,
    keys: KeyPair,
    *,
    region: str,
    now: datetime,
) -> dict[str, str]:
    """The headers to send: those given, which must hold Host, and the three that authenticate. All are signed.

    `target` is the raw path and query as it will be sent; `payload_hash` is hex, or a keyword of PayloadKind.
    """
    timestamp = _timestamp(now)
    sent = {name.lower(): value for name, value in headers.items()}
    sent |= {"x-amz-date": timestamp, "x-amz-content-sha256": payload_hash}
    path, _, query = target.partition("?")
    signed = sorted(sent)
    text = CanonicalRequest(
        method, path, canonical.encoded_query(canonical.parameters(query)), sent, signed, payload_hash
    ).text
    scope = _scope(timestamp, region)
    key = canonical.signing_key(keys.secret, timestamp[:8], region)
    signature = canonical.signature(key, canonical.string_to_sign(timestamp, scope, text))
    sent["authorization"] = (
        f"{ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={';'.join(signed)}, Signature={signature}"
    )
    return sent


def presign(
    method: str,
    target: str,
    headers: Mapping[str, str],
    keys: KeyPair,
    *,
    region: str,
    now: datetime,
    expires: int,
    payload_hash: str = UNSIGNED_PAYLOAD,
) -> str:
    """The target with a signature in its query, good for `expires` seconds.

    `headers` must hold Host; each of them has to be sent as given. A `payload_hash` in hex allows one payload only,
    if it is among the headers too, as x-amz-content-sha256.
    """
    timestamp = _timestamp(now)
    scope = _scope(timestamp, region)
    sent = {name.lower(): value for name, value in headers.items()}
    signed = sorted(sent)
    path, _, query = target.partition("?")
    pairs = canonical.parameters(query)
    pairs += [
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{keys.access_key}/{scope}"),
        ("X-Amz-Date", timestamp),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", ";".join(signed)),
    ]
    encoded = canonical.encoded_query(pairs)
    text = CanonicalRequest(method, path, encoded, sent, signed, payload_hash).text
    key = canonical.signing_key(keys.secret, timestamp[:8], region)
    return (
        f"{path}?{encoded}&X-Amz-Signature={canonical.signature(key, canonical.string_to_sign(timestamp, scope, text))}"
    )


def seal_of(signed_headers: Mapping[str, str], keys: KeyPair, *, region: str) -> ChunkSeal:
    """What the chunks of a body are signed with, from the headers that `sign` gave."""
    timestamp = signed_headers["x-amz-date"]
    return ChunkSeal(
        canonical.signing_key(keys.secret, timestamp[:8], region),
        timestamp,
        _scope(timestamp, region),
        signed_headers["authorization"].rpartition("Signature=")[2],
    )


def aws_chunked(
    chunks: Iterable[bytes], seal: ChunkSeal | None = None, trailer: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """A body in aws-chunked framing, piece by piece; signed when there is a seal."""
    previous = seal.seed_signature if seal else ""
    for chunk in (*chunks, b""):
        head = f"{len(chunk):x}"
        if seal:
            previous = seal.chunk(previous, hashlib.sha256(chunk).hexdigest())
            head += f";chunk-signature={previous}"
        yield head.encode() + b"\r\n"
        if chunk:
            yield chunk + b"\r\n"
    if trailer:
        lines = [f"{name}:{value}" for name, value in trailer.items()]
        yield "".join(f"{line}\r\n" for line in lines).encode()
        if seal:
            signed = "".join(f"{line}\n" for line in lines).encode()
            yield f"x-amz-trailer-signature:{seal.trailer(previous, hashlib.sha256(signed).hexdigest())}\r\n".encode()
    yield b"\r\n"


def _timestamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _scope(timestamp: str, region: str) -> str:
    return f"{timestamp[:8]}/{region}/{SERVICE}/{TERMINATOR}"
