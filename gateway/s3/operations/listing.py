"""What all listings have in common."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from urllib.parse import quote

from gateway.s3 import query, xml
from gateway.s3.call import Call
from gateway.s3.errors import invalid_argument

PAGE = 1000
"""Lines of a page at most, whatever the caller asks for."""


def limit(call: Call, name: str) -> int:
    """How many lines the caller asks for, at most a page."""
    return min(query.integer(call.query, name, PAGE), PAGE)


def encoder(call: Call) -> Callable[[str], str]:
    """How names are written into the answer: percent-encoded where the caller asked for that."""
    return _percent_encoded if query.url_encoding(call.query) else _as_it_is


def encoding(encode: Callable[[str], str]) -> str:
    """The element that says how names are written."""
    return xml.leaf("EncodingType", "url") if encode is _percent_encoded else ""


def token(place: str) -> str:
    """A continuation token: where the next page begins, in a form that nobody reads."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def token_value(said: str) -> str:
    """Where a continuation token points. Raises S3Error for one that was not given out."""
    try:
        return base64.b64decode(said, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid_argument("continuation-token", said, "The continuation token provided is incorrect") from None


def owner(account_id: str, name: str, element: str = "Owner") -> str:
    return xml.node(element, xml.leaf("ID", account_id), xml.leaf("DisplayName", name))


def common_prefixes(prefixes: Iterable[str], encode: Callable[[str], str]) -> Iterable[str]:
    return (xml.node("CommonPrefixes", xml.leaf("Prefix", encode(prefix))) for prefix in prefixes)


def _percent_encoded(name: str) -> str:
    return quote(name, safe="/*", errors="replace")


def _as_it_is(name: str) -> str:
    return name
