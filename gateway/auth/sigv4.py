"""Verification of AWS Signature Version 4 for S3, in headers and in presigned URLs.

Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference. Pure: no HTTP server
types, no clock, no database. A face builds a `SignedRequest`, fetches the credential of `access_key_of(request)`
and calls `authenticate`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from gateway.auth import canonical
from gateway.auth.canonical import ALGORITHM, SERVICE, TERMINATOR, CanonicalRequest, SigningKeys, to_bytes
from gateway.auth.cause import likely_cause
from gateway.auth.errors import (
    AccessDenied,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidRequest,
    RequestTimeTooSkewed,
    SignatureDoesNotMatch,
)
from gateway.auth.payload import EMPTY_SHA256, UNSIGNED_PAYLOAD, ChunkSeal, PayloadKind, PayloadPlan
from registry.errors import UnknownAccessKeyError
from registry.model import Credential

MAX_SKEW = timedelta(minutes=15)
MAX_EXPIRES = 7 * 24 * 3600

RESPONSE_OVERRIDES = frozenset(
    f"response-{name}"
    for name in (
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    )
)
"""Query parameters by which only an authenticated caller may choose headers of the response."""

_SIGV2 = (
    "AWS Signature Version 2 is not supported. Please use AWS4-HMAC-SHA256: set the client to Signature Version 4 "
    "(boto3: Config(signature_version='s3v4'); aws: `aws configure set default.s3.signature_version s3v4`; "
    "s3cmd: leave out --signature-v2; rclone: v2_auth = false)."
)
_CREDENTIAL_SHAPE = 'expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
_QUERY_NAMES = frozenset(
    {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"}
)
_INERT_HEADERS = frozenset({"x-amz-date", "x-amz-content-sha256", "x-amz-cf-id", "x-amz-user-agent"})
"""x-amz headers that may go unsigned: they change nothing, or are part of the signed text anyway."""

_CREDENTIAL = re.compile(r"Credential=(.+?)/[0-9]{8}/")
_TIMESTAMP = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z", re.ASCII)
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")

_signing_keys = SigningKeys()


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
        if not target.startswith("/") and "://" in target:
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        merged: dict[str, str] = {}
        for name, value in headers:
            lower = name.lower()
            merged[lower] = f"{merged[lower]},{value.strip()}" if lower in merged else value.strip()
        return cls(method, path, query, merged)

    @property
    def has_body(self) -> bool:
        """Did the headers announce a body?"""
        return self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers


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


class _Claim(NamedTuple):
    """What a request says of its own signature. `expires` in seconds: set for a presigned URL only."""

    access_key: str
    date: str
    region: str
    timestamp: str
    instant: datetime
    signed_headers: Sequence[str]
    signature: str
    expires: int | None

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{SERVICE}/{TERMINATOR}"


def access_key_of(request: SignedRequest) -> str | None:
    """The access key the request claims, or None: anonymous, or too malformed to tell. Never raises."""
    authorization = request.headers.get("authorization", "")
    if authorization.startswith(ALGORITHM):
        match = _CREDENTIAL.search(authorization)
        return match[1] if match else None
    for name, value in canonical.parameters(request.query):
        if name == "X-Amz-Credential":
            return value.rsplit("/", 4)[0]
    return None


def authenticate(
    request: SignedRequest, lookup: Callable[[str], Credential], *, region: str, now: datetime
) -> Authentication:
    """Check the signature of a request, or find it anonymous.

    `lookup` gives the credential of an access key, or raises `registry.errors.UnknownAccessKeyError`. `now` is
    aware. Raises the refusals of `gateway.auth.errors`.
    """
    pairs = canonical.parameters(request.query)
    claim = _claim(request, pairs, region)
    if claim is None:
        return _anonymous(request, pairs)
    try:
        credential = lookup(claim.access_key)
    except UnknownAccessKeyError:
        raise InvalidAccessKeyId(details={"AWSAccessKeyId": claim.access_key}) from None
    _check_time(claim, now)
    _check_signed_headers(request, claim)

    declared = _declared_hash(request, pairs, claim)
    key = _check_signature(request, claim, _readings(request, pairs, claim, declared), credential.secret)

    headers = request.headers if claim.expires is None else {**_hoisted(pairs), **request.headers}
    if declared is None:
        bare = claim.expires is None and not request.has_body
        plan = PayloadPlan(PayloadKind.PLAIN, EMPTY_SHA256) if bare else PayloadPlan(PayloadKind.UNSIGNED)
    else:
        plan = _plan(declared, ChunkSeal(key, claim.timestamp, claim.scope, claim.signature))
    return Authentication(credential, plan, presigned=claim.expires is not None, headers=headers)


def _anonymous(request: SignedRequest, pairs: Iterable[tuple[str, str]]) -> Authentication:
    if any(name in RESPONSE_OVERRIDES for name, _ in pairs):
        raise InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
    declared = request.headers.get("x-amz-content-sha256")
    plan = PayloadPlan(PayloadKind.UNSIGNED) if declared is None else _plan(declared, None)
    return Authentication(None, plan, presigned=False, headers=request.headers)


def _plan(declared: str, seal: ChunkSeal | None) -> PayloadPlan:
    if _SHA256.fullmatch(declared):
        return PayloadPlan(PayloadKind.PLAIN, declared.lower())
    try:
        kind = PayloadKind(declared)
    except ValueError:
        kind = PayloadKind.PLAIN
    if kind is PayloadKind.PLAIN:
        raise InvalidArgument(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER "
            "or a valid sha256 value.",
            {"ArgumentName": "x-amz-content-sha256", "ArgumentValue": declared},
        )
    if not kind.signed_chunks:
        return PayloadPlan(kind)
    if seal is None:
        raise InvalidRequest("Chunks can be signed only in a request that is signed itself.")
    return PayloadPlan(kind, seal=seal)


# --- what the request claims -------------------------------------------------------------------------------------


def _claim(request: SignedRequest, pairs: Sequence[tuple[str, str]], region: str) -> _Claim | None:
    """What the request claims, its scope found right; None for an anonymous one."""
    authorization = request.headers.get("authorization")
    in_query = {name: value for name, value in pairs if name in _QUERY_NAMES}
    if authorization is not None and authorization.startswith(("AWS", ALGORITHM)):
        if "X-Amz-Algorithm" in in_query or "X-Amz-Signature" in in_query:
            raise InvalidArgument(
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
                "parameter or the Authorization header should be specified",
                {"ArgumentName": "Authorization", "ArgumentValue": authorization.partition(" ")[0]},
            )
        return _claim_of_header(request, authorization, region)
    if "X-Amz-Algorithm" in in_query or "X-Amz-Signature" in in_query:
        # A foreign Authorization scheme beside a presigned URL is somebody else's: S3 passes over it.
        return _claim_of_query(in_query, region)
    if any(name == "AWSAccessKeyId" for name, _ in pairs):
        raise InvalidRequest(_SIGV2)
    if authorization is not None:
        raise InvalidArgument(
            "Unsupported Authorization Type",
            {"ArgumentName": "Authorization", "ArgumentValue": authorization.partition(" ")[0]},
        )
    return None


def _claim_of_header(request: SignedRequest, authorization: str, region: str) -> _Claim:
    scheme, _, rest = authorization.partition(" ")
    if scheme == "AWS":
        raise InvalidRequest(_SIGV2)
    if scheme != ALGORITHM:
        raise InvalidRequest(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )
    fields = {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in rest.split(","))}
    try:
        credential, signed, given = fields["Credential"], fields["SignedHeaders"], fields["Signature"]
    except KeyError:
        raise AuthorizationHeaderMalformed(
            "The authorization header is malformed; the authorization header requires three components: "
            "Credential, SignedHeaders, and Signature."
        ) from None
    try:
        access_key, date, scope_region = _scope(credential, region)
    except _WrongScopeError as wrong:
        raise AuthorizationHeaderMalformed(f"The authorization header is malformed; {wrong}", wrong.details) from None

    timestamp, instant = _request_time(request.headers)
    if not timestamp.startswith(date):
        raise AuthorizationHeaderMalformed(
            f'The authorization header is malformed; Invalid credential date "{date}". '
            f'This date is not the same as X-Amz-Date: "{timestamp[:8]}".'
        )
    return _Claim(access_key, date, scope_region, timestamp, instant, signed.split(";"), given, None)


def _claim_of_query(fields: Mapping[str, str], region: str) -> _Claim:
    if len(fields) < len(_QUERY_NAMES):
        raise AuthorizationQueryParametersError
    if fields["X-Amz-Algorithm"] != ALGORITHM:
        raise AuthorizationQueryParametersError('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
    try:
        access_key, date, scope_region = _scope(fields["X-Amz-Credential"], region)
    except _WrongScopeError as wrong:
        raise AuthorizationQueryParametersError(
            f"Error parsing the X-Amz-Credential parameter; {wrong}", wrong.details
        ) from None
    timestamp = fields["X-Amz-Date"]
    instant = _instant(timestamp)
    if instant is None:
        raise AuthorizationQueryParametersError(
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        )
    if not timestamp.startswith(date):
        raise AuthorizationQueryParametersError(
            f'Invalid credential date "{date}". This date is not the same as X-Amz-Date: "{timestamp[:8]}".'
        )
    expires = fields["X-Amz-Expires"]
    if not re.fullmatch(r"-?[0-9]{1,18}", expires):
        raise AuthorizationQueryParametersError("X-Amz-Expires should be a number")
    if int(expires) < 1:
        raise AuthorizationQueryParametersError("X-Amz-Expires must be positive")
    if int(expires) > MAX_EXPIRES:
        raise AuthorizationQueryParametersError(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            "604800 seconds"
        )
    signed = fields["X-Amz-SignedHeaders"].split(";")
    return _Claim(access_key, date, scope_region, timestamp, instant, signed, fields["X-Amz-Signature"], int(expires))


class _WrongScopeError(Exception):
    """What is wrong with a credential scope; the caller knows where it stood."""

    def __init__(self, message: str, details: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.details = details


def _scope(credential: str, region: str) -> tuple[str, str, str]:
    """Access key, date and region of a credential scope. An access key may hold slashes itself."""
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or not parts[0]:
        raise _WrongScopeError(f"the Credential is mal-formed; {_CREDENTIAL_SHAPE}")
    access_key, date, scope_region, service, terminator = parts
    if not re.fullmatch(r"[0-9]{8}", date):
        raise _WrongScopeError(
            f'incorrect date format "{date}". This date in the credential must be in the format "yyyyMMdd".'
        )
    # s3cmd without --region signs for "US", an old name of us-east-1.
    if scope_region != region and not (scope_region == "US" and region == "us-east-1"):
        raise _WrongScopeError(f"the region '{scope_region}' is wrong; expecting '{region}'", {"Region": region})
    if service != SERVICE:
        raise _WrongScopeError(f'incorrect service "{service}". This endpoint belongs to "s3".')
    if terminator != TERMINATOR:
        raise _WrongScopeError(f'incorrect terminal "{terminator}". This endpoint uses "aws4_request".')
    return access_key, date, scope_region


def _instant(timestamp: str) -> datetime | None:
    match = _TIMESTAMP.fullmatch(timestamp)
    if match is None:
        return None
    try:
        return datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type] # six integers
    except ValueError:
        return None


def _request_time(headers: Mapping[str, str]) -> tuple[str, datetime]:
    """The time a request was signed: X-Amz-Date, else Date in either format."""
    given = headers.get("x-amz-date") or headers.get("date", "")
    instant = _instant(given)
    if instant is None and "x-amz-date" not in headers:
        try:
            instant = parsedate_to_datetime(given)
            instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
            given = instant.strftime("%Y%m%dT%H%M%SZ")
        except (ValueError, OverflowError):
            instant = None
    if instant is None:
        raise AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
    return given, instant


# --- checks ------------------------------------------------------------------------------------------------------


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_time(claim: _Claim, now: datetime) -> None:
    if claim.expires is None:
        if abs(now - claim.instant) > MAX_SKEW:
            raise RequestTimeTooSkewed(
                details={
                    "RequestTime": claim.timestamp,
                    "ServerTime": _iso(now),
                    "MaxAllowedSkewMilliseconds": str(int(MAX_SKEW.total_seconds() * 1000)),
                }
            )
        return
    if claim.instant - now > MAX_SKEW:
        raise AccessDenied("Request is not valid yet", {"RequestTime": claim.timestamp, "ServerTime": _iso(now)})
    end = claim.instant + timedelta(seconds=claim.expires)
    if now > end:
        raise AccessDenied(
            "Request has expired",
            {"X-Amz-Expires": str(claim.expires), "Expires": _iso(end), "ServerTime": _iso(now)},
        )


def _check_signed_headers(request: SignedRequest, claim: _Claim) -> None:
    """Every header that may change what the request does must be signed, or a presigned PUT could become a copy."""
    signed = claim.signed_headers
    missing = [
        name
        for name in request.headers
        if name.startswith("x-amz-") and name not in signed and name not in _INERT_HEADERS
    ]
    if "host" not in signed:
        missing.insert(0, "host")
    if missing:
        raise AccessDenied(
            "There were headers present in the request which were not signed",
            {"HeadersNotSigned": ", ".join(missing)},
        )


def _declared_hash(request: SignedRequest, pairs: Iterable[tuple[str, str]], claim: _Claim) -> str | None:
    """What the client says of its payload, in the header or, presigned, in the query."""
    declared = request.headers.get("x-amz-content-sha256")
    if declared is None and claim.expires is not None:
        declared = next((value for name, value in pairs if name.lower() == "x-amz-content-sha256"), None)
    return declared


def _check_signature(request: SignedRequest, claim: _Claim, readings: Iterator[CanonicalRequest], secret: str) -> bytes:
    """Raises unless one of the readings is what was signed. The signing key, for the chunks that may follow."""
    key = _signing_keys.get(secret, claim.date, claim.region)
    given = to_bytes(claim.signature)

    def proves(reading: CanonicalRequest, signing_key: bytes = key) -> bool:
        text = canonical.string_to_sign(claim.timestamp, claim.scope, reading.text)
        return hmac.compare_digest(canonical.signature(signing_key, text).encode(), given)

    first = next(readings)
    if proves(first) or any(proves(reading) for reading in readings):
        return key
    if claim.expires is None and request.has_body and "x-amz-content-sha256" not in request.headers:
        raise InvalidRequest(
            "Missing required header for this request: x-amz-content-sha256 "
            "(with old versions of curl, add -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD')"
        )

    def padded_secret_proves(padding: str) -> bool:
        return proves(first, canonical.signing_key(secret + padding, claim.date, claim.region))

    text = canonical.string_to_sign(claim.timestamp, claim.scope, first.text)
    cause = likely_cause(first, proves, padded_secret_proves, presigned=claim.expires is not None)
    raise SignatureDoesNotMatch(
        f"{SignatureDoesNotMatch.default_message} {cause}",
        {
            "AWSAccessKeyId": claim.access_key,
            "StringToSign": text,
            "SignatureProvided": claim.signature,
            "StringToSignBytes": to_bytes(text).hex(" "),
            "CanonicalRequest": first.text,
            "CanonicalRequestBytes": to_bytes(first.text).hex(" "),
        },
    )


def _readings(
    request: SignedRequest, pairs: Sequence[tuple[str, str]], claim: _Claim, declared: str | None
) -> Iterator[CanonicalRequest]:
    """The ways in which a client may rightly have signed this request, the ordinary one first.

    All of them name the same key, parameters and headers, so accepting any gives nobody anything to forge:
    paths and queries are signed as sent or fully encoded, depending on the client.
    """
    if claim.expires is not None:
        pairs = [pair for pair in pairs if pair[0] != "X-Amz-Signature"]
        hashes = [UNSIGNED_PAYLOAD] if declared in {None, UNSIGNED_PAYLOAD} else [str(declared), UNSIGNED_PAYLOAD]
    elif declared is not None:
        hashes = [declared]
    else:
        # curl before 8.0 sends no x-amz-content-sha256 and signs its body as if it were empty.
        hashes = [EMPTY_SHA256, UNSIGNED_PAYLOAD]
    encoded = canonical.encoded_query(pairs)
    ordinary = CanonicalRequest(request.method, request.path, encoded, request.headers, claim.signed_headers, hashes[0])
    yield ordinary
    paths = dict.fromkeys((request.path, canonical.encoded_path(request.path)))
    queries = [encoded] if claim.expires is not None else dict.fromkeys((encoded, request.query))
    for payload_hash in hashes:
        for path in paths:
            for query in queries:
                reading = ordinary._replace(path=path, query=query, payload_hash=payload_hash)
                if reading != ordinary:
                    yield reading


def _hoisted(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers that a presigner moved into the query: signed there, and meant as headers."""
    return {
        name.lower(): value for name, value in pairs if name.lower().startswith("x-amz-") and name not in _QUERY_NAMES
    }
