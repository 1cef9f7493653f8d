"""Verification of AWS Signature Version 4 for S3, in headers and in presigned URLs.

Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference. Pure: no HTTP server
types, no clock, no database. A face builds a `SignedRequest`, fetches the credential of `access_key_of(request)`
and calls `authenticate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.auth.payload import PayloadPlan
from registry.model import Credential


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it came over the wire, before anything was decoded or tidied.

    `path` and `query` are the two halves of the request target, never re-quoted; `headers` map lower-case
    names to values, those of a repeated header joined by commas.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, method: str, target: str, headers: Iterable[tuple[str, str]]) -> SignedRequest:
        """From a request line's method and target (origin or absolute form) and the header lines in order.

        With aiohttp: `SignedRequest.of(request.method, request.raw_path, request.headers.items())`.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who signed the request, if anybody, and how its body is vouched for.

    `headers` are the request's headers by lower-case name, with the `x-amz-*` parameters that a presigned URL
    carries in its query among them: what the operation is to go by.
    """

    credential: Credential | None
    payload: PayloadPlan
    presigned: bool
    headers: Mapping[str, str]

    @property
    def anonymous(self) -> bool:
        return self.credential is None


def access_key_of(request: SignedRequest) -> str | None:
    """The access key the request claims, or None: anonymous, or too malformed to tell. Never raises."""
    raise NotImplementedError


def authenticate(
    request: SignedRequest, lookup: Callable[[str], Credential], *, region: str, now: datetime
) -> Authentication:
    """Check the signature of a request, or find it anonymous.

    `lookup` gives the credential of an access key, or raises `registry.errors.UnknownAccessKeyError`. `now` is
    aware. Raises the refusals of `gateway.auth.errors`.
    """
    raise NotImplementedError
