"""How the body of a request is vouched for and framed: what `x-amz-content-sha256` said.

Sources: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" and the same
"Including Trailing Headers", Amazon S3 API Reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from gateway.auth.canonical import signature

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


class PayloadKind(Enum):
    """The framings of AWS Signature Version 4 for S3; a value is the keyword on the wire."""

    PLAIN = "sha256"
    UNSIGNED = UNSIGNED_PAYLOAD
    STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    @property
    def chunked(self) -> bool:
        """Is the payload wrapped in aws-chunked framing?"""
        return self.value.startswith("STREAMING-")

    @property
    def signed_chunks(self) -> bool:
        """Does every chunk carry a signature?"""
        return self.value.startswith("STREAMING-AWS4-")

    @property
    def has_trailer(self) -> bool:
        """May trailers follow the last chunk?"""
        return self.value.endswith("-TRAILER")


@dataclass(frozen=True, slots=True)
class ChunkSeal:
    """What the signatures of chunks are made with: the signed request's own signature begins their chain."""

    signing_key: bytes = field(repr=False)
    timestamp: str
    scope: str
    seed_signature: str

    def chunk(self, previous: str, sha256: str) -> str:
        """The signature of the chunk with this digest, after the chunk with signature `previous`."""
        return signature(
            self.signing_key,
            f"AWS4-HMAC-SHA256-PAYLOAD\n{self.timestamp}\n{self.scope}\n{previous}\n{EMPTY_SHA256}\n{sha256}",
        )

    def trailer(self, previous: str, sha256: str) -> str:
        """The signature of the trailer whose lines, `name:value` and LF each, have this digest."""
        return signature(
            self.signing_key, f"AWS4-HMAC-SHA256-TRAILER\n{self.timestamp}\n{self.scope}\n{previous}\n{sha256}"
        )


@dataclass(frozen=True, slots=True)
class PayloadPlan:
    """How to read the body. `sha256` (lower-case hex) is set for PLAIN only, `seal` for the signed streams only."""

    kind: PayloadKind
    sha256: str | None = None
    seal: ChunkSeal | None = None
