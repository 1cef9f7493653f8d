"""The body of a request on its way in: framing taken off, lengths and signatures checked, pieces handed on uncopied."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from gateway.auth.payload import PayloadPlan
from registry.digests import Digests
from registry.source import Buffers, Expect


class Stream(Protocol):
    """Where the bytes come from; aiohttp's StreamReader (`request.content`) is one."""

    async def readany(self) -> bytes:
        """What has arrived, at least one byte; empty at the end."""


class Body:
    """A `registry.source.Source` over a request. Raises the refusals of `gateway.auth.errors`, in creation and iteration."""

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
        raise NotImplementedError

    @property
    def length(self) -> int | None:
        """Decoded length of the payload, where announced."""
        raise NotImplementedError

    @property
    def expect(self) -> Expect:
        """What was announced; the value of a checksum in a trailer is there after the last byte."""
        raise NotImplementedError

    @property
    def exhausted(self) -> bool:
        """Has the body been read to its end? If not, the connection cannot carry another request."""
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[Buffers]:
        raise NotImplementedError

    def finish(self, digests: Digests) -> None:
        """Check the signed SHA-256. Raises XAmzContentSHA256Mismatch."""
        raise NotImplementedError

    async def read(self, limit: int) -> bytes:
        """The whole body, with everything that was announced of it verified.

        Raises MaxMessageLengthExceeded beyond `limit` bytes, and registry.errors.DigestMismatchError.
        """
        raise NotImplementedError
