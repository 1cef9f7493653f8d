"""Why a signature may not match: what the client probably signed instead, found by trying it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import Final

from gateway.auth import canonical
from gateway.auth.canonical import CanonicalRequest
from gateway.auth.payload import EMPTY_SHA256, UNSIGNED_PAYLOAD

_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
_PADDINGS = {"\n": "a line feed", "\r\n": "a line break", "\r": "a carriage return", " ": "a space"}
_USUAL_VALUES: Final = {
    "accept-encoding": ("", "identity", "gzip", "gzip, deflate", "gzip, deflate, br"),
    "connection": ("", "keep-alive", "close", "Keep-Alive"),
    "content-length": ("", "0"),
    "content-type": ("", "application/octet-stream", "binary/octet-stream", "application/xml"),
    "expect": ("", "100-continue"),
    "transfer-encoding": ("", "chunked"),
    "user-agent": ("",),
}
"""Headers that things between client and server add, drop or rewrite, and what they usually were."""


def likely_cause(
    request: CanonicalRequest,
    proves: Callable[[CanonicalRequest], bool],
    padded_secret_proves: Callable[[str], bool],
    *,
    presigned: bool,
) -> str:
    """A plain sentence: the cause where a trial proves one, else where to look.

    `proves` tells whether the signature is that of another reading of the request; `padded_secret_proves` whether
    it was made with the right secret and something after it.
    """
    for padding, name in _PADDINGS.items():
        if padded_secret_proves(padding):
            return f"Likely cause: the client's secret key ends in {name} that does not belong to it."
    for reading, sentence in _suspects(request, presigned=presigned):
        if proves(reading):
            return f"Likely cause: {sentence}"
    missing = [name for name in request.signed_headers if name not in request.headers]
    if missing:
        return (
            f"Likely cause: the signed header {', '.join(missing)} did not arrive: "
            "something between client and server removed it."
        )
    proxy = next(
        (name for name in ("via", "x-forwarded-for", "forwarded", "x-forwarded-host") if name in request.headers), ""
    )
    if proxy:
        return (
            f"Likely cause: the request came through a proxy (it has a {proxy} header), and the proxy changed a signed "
            f"header or the path. Host arrived as '{request.headers.get('host', '')}': the proxy must pass on what the "
            "client sent."
        )
    return (
        "Likely cause: the client uses another secret key, or the request was changed on its way. Compare "
        "CanonicalRequest with the one in the client's debug output: the first line that differs tells which."
    )


def _suspects(request: CanonicalRequest, *, presigned: bool) -> Iterator[tuple[CanonicalRequest, str]]:
    arrived = request.headers.get("host", "")
    for host in _other_hosts(request):
        yield (
            request._replace(headers={**request.headers, "host": host}),
            f"the client signed Host '{host}', but '{arrived}' arrived: something in between rewrites Host.",
        )
    for method in _METHODS:
        if method != request.method:
            what = "the URL was presigned" if presigned else "the request was signed"
            yield request._replace(method=method), f"{what} for {method}, but came as {request.method}."
    for name, values in _USUAL_VALUES.items():
        if name in request.signed_headers:
            for value in values:
                yield (
                    request._replace(headers={**request.headers, name: value}),
                    f"the client signed {name} as '{value}', but '{request.headers.get(name, '')}' arrived.",
                )
    yield (
        request._replace(path=canonical.encoded_path(request.path).replace("%", "%25")),
        "the client encoded the path twice before signing, as services other than S3 want it.",
    )
    yield (
        request._replace(path=_normalised(request.path)),
        "the client signed a normalised path. S3 signs the path as it is sent, with every '//', '.' and '..'.",
    )
    for payload_hash in (UNSIGNED_PAYLOAD, EMPTY_SHA256):
        yield (
            request._replace(payload_hash=payload_hash),
            f"the client signed the payload as {payload_hash}, but x-amz-content-sha256 says {request.payload_hash}.",
        )
    yield request._replace(query=""), "the client left the query out of what it signed."


def _other_hosts(request: CanonicalRequest) -> Iterator[str]:
    host = request.headers.get("host", "")
    bare, colon, port = host.rpartition(":")
    if colon and port.isdecimal():
        yield bare
    else:
        bare = host
    for default in ("80", "443", "8080", "8443", "9000"):
        if default != port:
            yield f"{bare}:{default}"
    for name in ("x-forwarded-host", "x-original-host"):
        if forwarded := request.headers.get(name):
            yield forwarded.partition(",")[0].strip()
    if bare != bare.lower():
        yield host.lower()


def _normalised(path: str) -> str:
    normal = posixpath.normpath("/" + path.lstrip("/"))
    return normal + "/" if path.endswith("/") and normal != "/" else normal
