"""How the body of a request is vouched for and framed: what `x-amz-content-sha256` said."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

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
    def has_trailer(self) -> bool:
        """May trailers follow the last chunk?"""
        return self.value.endswith("-TRAILER")


@dataclass(frozen=True, slots=True)
class ChunkSeal:
    """What the signatures of chunks are checked with: the signed request's own signature begins their chain."""

    signing_key: bytes = field(repr=False)
    timestamp: str
    scope: str
    seed_signature: str


@dataclass(frozen=True, slots=True)
class PayloadPlan:
    """How to read the body. `sha256` (lower-case hex) is set for PLAIN only, `seal` for the signed streams only."""

    kind: PayloadKind
    sha256: str | None = None
    seal: ChunkSeal | None = None
