"""The text that AWS Signature Version 4 for S3 signs, and the key it is signed with.

Source: "Signature Calculations for the Authorization Header", Amazon S3 API Reference. S3 differs from the
other services: the path is signed as it is sent, neither normalised nor encoded a second time.

Text is `str` with surrogate escapes, so that bytes which are no UTF-8 come through unharmed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
TERMINATOR = "aws4_request"

_UNRESERVED = "-_.~"
_BLANKS = re.compile(r"[ \t]+")


def to_bytes(text: str) -> bytes:
    """The bytes of text as it stood on the wire."""
    return text.encode("utf-8", "surrogateescape")


def percent_encode(text: str) -> str:
    """All but A-Z a-z 0-9 - _ . ~ as upper-case %XX."""
    return quote(text, safe=_UNRESERVED, errors="surrogateescape")


def encoded_path(path: str) -> str:
    """A path with every octet encoded the one way AWS does it; the slashes stay."""
    return quote(unquote_to_bytes(to_bytes(path)), safe="/" + _UNRESERVED)


def parameters(query: str) -> list[tuple[str, str]]:
    """The decoded parameters of a raw query string, in order. A plus is a space; `?uploads` has an empty value."""
    if not query:
        return []
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.replace("+", " ").partition("=")
            pairs.append((unquote(name, errors="surrogateescape"), unquote(value, errors="surrogateescape")))
    return pairs


def encoded_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Parameters encoded and sorted as they are signed."""
    return "&".join(
        f"{name}={value}"
        for name, value in sorted((percent_encode(name), percent_encode(value)) for name, value in pairs)
    )


class CanonicalRequest(NamedTuple):
    """One reading of a request, as it would be signed. `path` and `query` are encoded; header names lower-case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    signed_headers: Sequence[str]
    payload_hash: str

    @property
    def text(self) -> str:
        lines = [self.method, self.path or "/", self.query]
        for name in self.signed_headers:
            value = self.headers.get(name, "").strip(" \t")
            if "  " in value or "\t" in value:
                value = _BLANKS.sub(" ", value)
            lines.append(f"{name}:{value}")
        lines += ("", ";".join(self.signed_headers), self.payload_hash)
        return "\n".join(lines)


def string_to_sign(timestamp: str, scope: str, canonical_request: str) -> str:
    """`timestamp` is ISO 8601 basic, as in X-Amz-Date; `scope` is date/region/service/aws4_request."""
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashlib.sha256(to_bytes(canonical_request)).hexdigest()}"


def signature(signing_key: bytes, text: str) -> str:
    """Hexadecimal HMAC-SHA256."""
    return hmac.digest(signing_key, to_bytes(text), "sha256").hex()


def signing_key(secret: str, date: str, region: str, service: str = SERVICE) -> bytes:
    """The key derived from a secret for one day, region and service."""
    key = hmac.digest(b"AWS4" + to_bytes(secret), to_bytes(date), "sha256")
    for step in (region, service, TERMINATOR):
        key = hmac.digest(key, to_bytes(step), "sha256")
    return key


class SigningKeys:
    """Derived keys, the `size` most recently used; from any thread. Holds no secret, only its digest."""

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._keys: OrderedDict[tuple[bytes, str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, secret: str, date: str, region: str) -> bytes:
        """The same as `signing_key`, sooner."""
        name = (hashlib.sha256(to_bytes(secret)).digest(), date, region)
        with self._lock:
            key = self._keys.get(name)
            if key is not None:
                self._keys.move_to_end(name)
                return key
            key = self._keys[name] = signing_key(secret, date, region)
            if len(self._keys) > self._size:
                self._keys.popitem(last=False)
            return key
