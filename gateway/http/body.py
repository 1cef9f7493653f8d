"""The body of a request on its way in: framing off, lengths and signatures checked, pieces handed on uncopied."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Protocol

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from gateway.auth.chunked import ChunkedDecoder
from gateway.auth.errors import (
    IncompleteBody,
    InvalidDigest,
    InvalidRequest,
    MaxMessageLengthExceeded,
    MissingContentLength,
    RequestTimeout,
    XAmzContentSHA256Mismatch,
)
from gateway.auth.payload import PayloadPlan
from registry.digests import CHECKSUM_SIZES, Digests
from registry.source import Buffers, Expect

BATCH_BYTES = 512 * 1024
"""A batch is handed on when it has this many bytes: large enough to be worth a hop to a thread."""

BATCH_PIECES = 1024
"""... or this many pieces, which bounds what a sender of tiny pieces makes the gateway hold."""

_INLINE = 64 * 1024
"""Up to this many bytes are hashed where they are; more go to a thread."""

_CHECKSUM_PREFIX = "x-amz-checksum-"
_NO_CHECKSUM = frozenset({"x-amz-checksum-type", "x-amz-checksum-algorithm", "x-amz-checksum-mode"})


class Stream(Protocol):
    """Where the bytes come from; aiohttp's StreamReader (`request.content`) is one."""

    async def readany(self) -> bytes:
        """What has arrived, at least one byte; empty at the end."""

    def is_eof(self) -> bool:
        """Has everything arrived, read or not?"""


class Body:
    """A `registry.source.Source` over a request.

    Making and iterating it raise the refusals of `gateway.auth.errors`.
    """

    def __init__(
        self,
        stream: Stream,
        headers: Mapping[str, str],
        payload: PayloadPlan,
        *,
        length_required: bool = True,
        checksum_of_body: bool = True,
        stall_timeout: float = 60.0,
        minimum_rate: float = 1024.0,
    ) -> None:
        """Read what the headers (by lower-case name: `Authentication.headers`) announce.

        `length_required`: refuse a request with neither a length nor chunked transfer (PutObject, UploadPart);
        otherwise such a body is empty. `checksum_of_body`: `x-amz-checksum-*` speak of this body; False where they
        speak of an object (CompleteMultipartUpload). `stall_timeout`: seconds without a byte. `minimum_rate`: bytes
        per second, over the time spent waiting for the network, beyond a first `stall_timeout`.
        """
        self._stream = stream
        self._payload = payload
        self._stall_timeout = stall_timeout
        self._minimum_rate = minimum_rate
        self._waited = 0.0
        self._received = 0
        self.exhausted = False
        """Has the body been read to its end? If not, the connection cannot carry another request."""

        self.length = _length(headers, payload, required=length_required)
        """Decoded length of the payload, where announced."""
        trailer = _trailer(headers, payload)
        algorithm, value = _checksum(headers, trailer) if checksum_of_body else (None, None)
        self.expect = Expect(payload.sha256, _content_md5(headers), algorithm, value)
        """What was announced; the value of a checksum in a trailer is there after the last byte."""
        self._decoder = (
            ChunkedDecoder(payload, self.length, () if trailer is None else (trailer,))
            if payload.kind.chunked
            else None
        )
        self._trailer = trailer

    async def __aiter__(self) -> AsyncIterator[Buffers]:
        batch: list[bytes | memoryview] = []
        size = 0
        while piece := await self._read():
            if self._decoder is None:
                batch.append(piece)
                size += len(piece)
            else:
                stretches = self._decoder.feed(piece)
                batch += stretches
                size += sum(map(len, stretches))
            if size >= BATCH_BYTES or len(batch) >= BATCH_PIECES:
                await self._prove(size)
                yield batch
                batch, size = [], 0
        if self._decoder is not None:
            self._decoder.close()
            if self._trailer is not None and self.expect.checksum_algorithm is not None:
                value = self._decoder.trailers[self._trailer]
                _check_base64(self.expect.checksum_algorithm, value, f"{self._trailer} trailing")
                self.expect = replace(self.expect, checksum_value=value)
            await self._prove(size)
        elif self.length is not None and self._received != self.length:
            raise self._incomplete()
        self.exhausted = True
        if batch:
            yield batch

    def finish(self, digests: Digests) -> None:
        """Check the signed SHA-256. Raises XAmzContentSHA256Mismatch."""
        signed = self._payload.sha256
        if signed is not None and digests.hexdigest("SHA256") != signed:
            raise XAmzContentSHA256Mismatch(
                details={
                    "ClientComputedContentSHA256": signed,
                    "S3ComputedContentSHA256": digests.hexdigest("SHA256"),
                }
            )

    async def read(self, limit: int) -> bytes:
        """The whole body, with everything that was announced of it verified.

        Raises MaxMessageLengthExceeded beyond `limit` bytes, and registry.errors.DigestMismatchError.
        """
        algorithm = self.expect.checksum_algorithm
        digests = Digests(() if algorithm is None else (algorithm,))
        pieces: list[bytes | bytearray | memoryview] = []
        size = 0
        if self.length is not None and self.length > limit:
            raise _too_long(limit)
        async for batch in self:
            size += sum(map(len, batch))
            if size > limit:
                raise _too_long(limit)
            pieces += batch
        if size > _INLINE:
            await asyncio.to_thread(digests.update, pieces)
        else:
            digests.update(pieces)
        self.finish(digests)
        self.expect.verify(digests)
        return b"".join(pieces)

    async def _prove(self, size: int) -> None:
        if self._decoder is None or not self._payload.kind.signed_chunks:
            return
        if size > _INLINE:
            await asyncio.to_thread(self._decoder.prove)
        else:
            self._decoder.prove()

    async def _read(self) -> bytes:
        """The next piece from the network; empty at the end."""
        if self._decoder is None and self._received == self.length:
            return b""
        try:
            piece = await (self._stream.readany() if self._stream.is_eof() else self._wait())
        except TimeoutError:
            raise RequestTimeout from None
        except (OSError, RequestPayloadError, HttpProcessingError) as error:
            raise self._incomplete() from error
        self._received += len(piece)
        if self._decoder is None and self.length is not None and self._received > self.length:
            raise self._incomplete()
        return piece

    async def _wait(self) -> bytes:
        """The next piece, once it has come. Raises TimeoutError when it comes too late."""
        loop = asyncio.get_running_loop()
        patience = self._stall_timeout + self._received / self._minimum_rate - self._waited
        began = loop.time()
        async with asyncio.timeout(min(self._stall_timeout, patience)):
            piece = await self._stream.readany()
        self._waited += loop.time() - began
        return piece

    def _incomplete(self) -> IncompleteBody:
        if self.length is None:
            return IncompleteBody()
        received = self._received if self._decoder is None else self._decoder.received
        return IncompleteBody(
            "You did not provide the number of bytes specified by the Content-Length HTTP header",
            {"NumberBytesExpected": str(self.length), "NumberBytesProvided": str(received)},
        )


def _too_long(limit: int) -> MaxMessageLengthExceeded:
    return MaxMessageLengthExceeded(details={"MaxMessageLengthBytes": str(limit)})


def _length(headers: Mapping[str, str], payload: PayloadPlan, *, required: bool) -> int | None:
    """The decoded length, None where it is rightly unknown."""
    name = "x-amz-decoded-content-length" if payload.kind.chunked else "content-length"
    text = headers.get(name)
    if text is not None and text.isascii() and text.isdecimal() and len(text) <= 18:
        return int(text)
    if text is not None or payload.kind.chunked:
        raise MissingContentLength
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return None
    if required:
        raise MissingContentLength
    return 0


def _content_md5(headers: Mapping[str, str]) -> bytes | None:
    text = headers.get("content-md5")
    if text is None:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidDigest from None
    if len(digest) != 16:
        raise InvalidDigest
    return digest


def _trailer(headers: Mapping[str, str], payload: PayloadPlan) -> str | None:
    """The name of the checksum that follows the body."""
    declared = headers.get("x-amz-trailer", "").lower().replace(" ", "")
    if not declared:
        return None
    if not payload.kind.has_trailer:
        raise InvalidRequest("x-amz-trailer needs an x-amz-content-sha256 that ends in -TRAILER.")
    if "," in declared:
        raise InvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    if declared.removeprefix(_CHECKSUM_PREFIX).upper() not in CHECKSUM_SIZES:
        raise InvalidRequest("The value specified in the x-amz-trailer header is not supported")
    return declared


def _checksum(headers: Mapping[str, str], trailer: str | None) -> tuple[str | None, str | None]:
    """Algorithm and value of the checksum announced; the value of one in the trailer comes later."""
    names = [name for name in headers if name.startswith(_CHECKSUM_PREFIX) and name not in _NO_CHECKSUM]
    if len(names) + (trailer is not None) > 1:
        raise InvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    name = trailer or (names[0] if names else None)
    algorithm = name.removeprefix(_CHECKSUM_PREFIX).upper() if name else None
    wanted = headers.get("x-amz-sdk-checksum-algorithm")
    if wanted is not None and algorithm is None:
        raise InvalidRequest(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
            "headers were found."
        )
    if algorithm is None:
        return None, None
    if algorithm not in CHECKSUM_SIZES:
        raise InvalidRequest(f"The checksum algorithm of {name} is not supported: use {', '.join(CHECKSUM_SIZES)}.")
    if wanted is not None and wanted.upper() != algorithm:
        raise InvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
    if trailer is not None:
        return algorithm, None
    value = headers[names[0]]
    _check_base64(algorithm, value, names[0])
    return algorithm, value


def _check_base64(algorithm: str, value: str, name: str) -> None:
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != CHECKSUM_SIZES[algorithm]:
        raise InvalidRequest(f"Value for {name} header is invalid.")
