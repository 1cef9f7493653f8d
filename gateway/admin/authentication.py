"""Who is calling the REST face: an access key and its secret by HTTP Basic, or Signature Version 4."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from gateway.admin.problems import Problem
from gateway.auth.canonical import ALGORITHM
from gateway.auth.payload import PayloadKind, PayloadPlan
from gateway.auth.sigv4 import SignedRequest, access_key_of, authenticate
from gateway.http.logging import request_id
from registry.accounts import Accounts
from registry.errors import UnknownAccessKeyError
from registry.model import Actor, Credential

_UNSIGNED = PayloadPlan(PayloadKind.UNSIGNED)
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="artifact-store", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and how the body is vouched for. `headers` are the request's, by lower-case name."""

    actor: Actor
    payload: PayloadPlan
    headers: Mapping[str, str]


async def identify(request: web.Request, accounts: Accounts, *, region: str) -> Caller:
    """The caller of a request. Raises Problem, or the refusals of `gateway.auth.errors`."""
    signed = SignedRequest.of(request.method, request.raw_path, request.headers.items())
    if (basic := _basic(request.headers.get("Authorization", ""))) is not None:
        credential = await _checked(accounts, *basic)
        return Caller(_actor(request, credential), _UNSIGNED, signed.headers)
    claimed = access_key_of(signed)
    if claimed is None and not signed.headers.get("authorization", "").startswith(ALGORITHM):
        raise Problem(
            "authentication_failed",
            "This needs an access key: HTTP Basic with the access key and its secret, or AWS Signature Version 4.",
            headers=_CHALLENGE,
        )
    found: Credential | None = None
    if claimed is not None:
        with suppress(UnknownAccessKeyError):
            found = await accounts.credential(claimed)

    def lookup(access_key: str) -> Credential:
        if found is None or found.access_key != access_key:
            raise UnknownAccessKeyError(access_key)
        return found

    proven = authenticate(signed, lookup, region=region, now=datetime.now(UTC))
    if proven.credential is None:
        raise Problem("authentication_failed", "The request is not signed.", headers=_CHALLENGE)
    return Caller(_actor(request, proven.credential), proven.payload, proven.headers)


def claimed_key(request: web.Request) -> str | None:
    """The access key that a request claims to be of, if it can be told; nothing of it is proven."""
    try:
        basic = _basic(request.headers.get("Authorization", ""))
    except Problem:
        return None
    if basic is not None:
        return basic[0]
    return access_key_of(SignedRequest.of(request.method, request.raw_path, request.headers.items()))


async def _checked(accounts: Accounts, access_key: str, secret: str) -> Credential:
    """The credential, if the secret is its own; one answer for a wrong key and for a wrong secret."""
    try:
        credential = await accounts.credential(access_key)
        known = credential.secret
    except UnknownAccessKeyError:
        credential, known = None, ""
    matches = hmac.compare_digest(known.encode(), secret.encode())
    if credential is None or not matches:
        raise Problem("authentication_failed", "There is no such access key with that secret.", headers=_CHALLENGE)
    return credential


def _basic(header: str) -> tuple[str, str] | None:
    """Access key and secret of a Basic header (RFC 7617); None where there is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        pair = ""
    access_key, colon, secret = pair.partition(":")
    if not colon:
        message = "The Authorization header is not Basic with the base64 of ACCESS_KEY:SECRET_KEY."
        raise Problem("authentication_failed", message, headers=_CHALLENGE)
    return access_key, secret


def _actor(request: web.Request, credential: Credential) -> Actor:
    return Actor(
        credential.account_id,
        credential.account_name,
        administrator=credential.administrator,
        access_key=credential.access_key,
        source_address=request.remote,
        request_id=request_id.get(),
    )
