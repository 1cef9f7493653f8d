"""Refusals of a request as it stands on the wire. Each class bears the name of its S3 error code.

They carry data, no HTTP status: a face renders them. No message, detail or repr ever holds a secret key
or a key derived from one.
"""

# ruff: noqa: N818 - a class here is named as the S3 error code it stands for, letter by letter

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

_NO_DETAILS: Mapping[str, str] = MappingProxyType({})


class RequestRefused(Exception):
    """A request that cannot be taken. Base of everything this module names; never raised itself.

    `details` holds the extra elements of S3's error document, in order.
    """

    default_message: ClassVar[str] = "The request was refused."

    def __init__(self, message: str = "", details: Mapping[str, str] | None = None) -> None:
        super().__init__(message or self.default_message)
        self.details: Mapping[str, str] = MappingProxyType(dict(details)) if details else _NO_DETAILS

    @property
    def code(self) -> str:
        """The S3 error code."""
        return type(self).__name__

    @property
    def message(self) -> str:
        """One or more plain sentences, fit for the person who sent the request."""
        return str(self.args[0])


class AccessDenied(RequestRefused):
    """The request is not, or no longer, or not yet allowed as it was signed."""

    default_message = "Access Denied"


class AuthorizationHeaderMalformed(RequestRefused):
    """The Authorization header cannot be read, or names the wrong scope. `details` may name the right Region."""

    default_message = "The authorization header you provided is invalid."


class AuthorizationQueryParametersError(RequestRefused):
    """The query parameters of a presigned URL are incomplete or wrong."""

    default_message = (
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
        "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
    )


class InvalidAccessKeyId(RequestRefused):
    """No such access key."""

    default_message = "The AWS Access Key Id you provided does not exist in our records."


class InvalidArgument(RequestRefused):
    """A header has a value that means nothing here. `details` hold ArgumentName and ArgumentValue."""

    default_message = "Invalid Argument"


class InvalidRequest(RequestRefused):
    """The request contradicts itself, or asks for what is not supported; the message says how."""

    default_message = "Invalid Request"


class MissingSecurityHeader(RequestRefused):
    """A header that authentication needs is missing. `details` hold MissingHeaderName."""

    default_message = "Your request was missing a required header."


class RequestTimeTooSkewed(RequestRefused):
    """The clocks of client and server differ by more than 15 minutes."""

    default_message = "The difference between the request time and the current time is too large."


class SignatureDoesNotMatch(RequestRefused):
    """The signature is not that of this request. `details` show what the server signed, and the likely cause."""

    default_message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )


class XAmzContentSHA256Mismatch(RequestRefused):
    """The body is not the one that was signed. `details` hold both digests."""

    default_message = "The provided 'x-amz-content-sha256' header does not match what was computed."


class IncompleteBody(RequestRefused):
    """Fewer or more bytes came than were announced, or the framing broke off."""

    default_message = "The request body terminated unexpectedly"


class InvalidChunkSizeError(RequestRefused):
    """A chunk other than the last is smaller than 8,192 bytes. `details` hold Chunk and BadChunkSize."""

    default_message = "Only the last chunk is allowed to have a size less than 8192 bytes"


class MalformedTrailerError(RequestRefused):
    """The trailer is not the one that x-amz-trailer declared."""

    default_message = (
        "The request contained trailing data that was not well-formed or did not conform to our published schema."
    )


class MissingContentLength(RequestRefused):
    """The length of the payload was not announced."""

    default_message = "You must provide the Content-Length HTTP header."


class InvalidDigest(RequestRefused):
    """Content-MD5 is not the base64 of 16 bytes."""

    default_message = "The Content-MD5 you specified is not valid."


class RequestTimeout(RequestRefused):
    """The body came too slowly, or stopped coming."""

    default_message = (
        "Your socket connection to the server was not read from or written to within the timeout period. "
        "Idle connections will be closed."
    )


class MaxMessageLengthExceeded(RequestRefused):
    """The body of a request that is read whole is too long. `details` hold MaxMessageLengthBytes."""

    default_message = "Your request was too big."
