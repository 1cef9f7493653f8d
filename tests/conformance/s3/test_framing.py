"""Bodies framed as aws-chunked whose frames are wrong: the right code, and nothing stored."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable

import pytest

from tests.wire.requester import Requester

BODY = bytes(range(256)) * 400
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()

Mutation = Callable[[bytes], bytes]


def send(wire: Requester, bucket: str, payload_hash: str, framed: bytes, **said: str) -> str | None:
    """Put the framed bytes as they are; the code of the refusal, None where it was taken."""
    headers = {
        "Host": wire.netloc,
        "Content-Length": str(len(framed)),
        "x-amz-decoded-content-length": str(len(BODY)),
        **{name.replace("_", "-"): value for name, value in said.items()},
    }
    signed = wire.sign("PUT", f"/{bucket}/key", headers, payload_hash=payload_hash)
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    with wire.connect() as connection:
        connection.send(f"PUT /{bucket}/key HTTP/1.1\r\n{lines}\r\n".encode(), framed)
        return connection.receive().code


def signed_chunks(wire: Requester, bucket: str, sizes: tuple[int, ...], mutate: Mutation) -> str | None:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(BODY[start : start + size])
        start += size
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    length = {"Host": wire.netloc, "x-amz-decoded-content-length": str(len(BODY))}
    # The chunks' signatures begin with that of the head, which says how long the frames are: so they are made twice.
    framed = b"".join(wire.chunks(wire.sign("PUT", f"/{bucket}/key", length, payload_hash=kind), pieces))
    headers = wire.sign(
        "PUT", f"/{bucket}/key", {**length, "Content-Length": str(len(mutate(framed)))}, payload_hash=kind
    )
    framed = mutate(b"".join(wire.chunks(headers, pieces)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with wire.connect() as connection:
        connection.send(f"PUT /{bucket}/key HTTP/1.1\r\n{lines}\r\n".encode(), framed)
        return connection.receive().code


def resealed(framed: bytes) -> bytes:
    """The same frames with another digit at the end of the first signature."""
    end = framed.index(b"\r\n")
    return framed[: end - 1] + (b"0" if framed[end - 1 : end] != b"0" else b"1") + framed[end:]


def test_what_is_right_is_taken(wire: Requester, bucket: str) -> None:
    assert signed_chunks(wire, bucket, (65_536, len(BODY) - 65_536), lambda framed: framed) is None
    assert wire.request("GET", f"/{bucket}/key").body == BODY


@pytest.mark.parametrize(
    ("mutate", "code"),
    [
        pytest.param(
            lambda framed: framed.replace(b"\x01\x02\x03", b"\x01\x02\x04", 1), "SignatureDoesNotMatch", id="data"
        ),
        pytest.param(resealed, "SignatureDoesNotMatch", id="signature"),
        pytest.param(lambda framed: b"zzzz" + framed[4:], "IncompleteBody", id="size that is none"),
        pytest.param(lambda framed: framed[:-200], "IncompleteBody", id="cut short"),
    ],
)
def test_signed_chunks_that_were_changed(wire: Requester, bucket: str, mutate: Mutation, code: str) -> None:
    found = signed_chunks(wire, bucket, (65_536, len(BODY) - 65_536), mutate)
    assert found == code
    assert wire.request("GET", f"/{bucket}/key").code == "NoSuchKey"


def test_only_the_last_chunk_may_be_small(wire: Requester, bucket: str) -> None:
    assert signed_chunks(wire, bucket, (100, len(BODY) - 100), lambda framed: framed) == "InvalidChunkSizeError"
    assert wire.request("GET", f"/{bucket}/key").code == "NoSuchKey"


@pytest.mark.parametrize(
    ("trailer", "code"),
    [
        (f"x-amz-checksum-crc32:{CRC32}", None),
        ("x-amz-checksum-crc32:AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc32:nonsense", "InvalidRequest"),
        (f"x-amz-checksum-crc32c:{CRC32}", "MalformedTrailerError"),
        ("", "MalformedTrailerError"),
    ],
)
def test_unsigned_trailers(wire: Requester, bucket: str, trailer: str, code: str | None) -> None:
    framed = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY) + (f"{trailer}\r\n" if trailer else "").encode() + b"\r\n"
    found = send(wire, bucket, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", framed, x_amz_trailer="x-amz-checksum-crc32")
    assert found == code
    stored = wire.request("GET", f"/{bucket}/key")
    assert (stored.body == BODY) if code is None else (stored.code == "NoSuchKey")


@pytest.mark.parametrize("length", [len(BODY) - 1, len(BODY) + 1])
def test_another_length_than_announced(wire: Requester, bucket: str, length: int) -> None:
    framed = b"%x\r\n%b\r\n0\r\nx-amz-checksum-crc32:%b\r\n\r\n" % (len(BODY), BODY, CRC32.encode())
    kind = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    headers = {
        "Host": wire.netloc,
        "Content-Length": str(len(framed)),
        "x-amz-decoded-content-length": str(length),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    signed = wire.sign("PUT", f"/{bucket}/key", headers, payload_hash=kind)
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    with wire.connect() as connection:
        connection.send(f"PUT /{bucket}/key HTTP/1.1\r\n{lines}\r\n".encode(), framed)
        assert connection.receive().code == "IncompleteBody"
    assert wire.request("GET", f"/{bucket}/key").code == "NoSuchKey"
