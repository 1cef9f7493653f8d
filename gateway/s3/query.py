"""The query string of a request, as S3 reads it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.s3.address import decode
from gateway.s3.errors import invalid_argument

EMPTY: Mapping[str, str] = MappingProxyType({})
MAX_INTEGER = 2**31 - 1


def parse(query: str) -> Mapping[str, str]:
    """Decoded parameters, `+` meaning a space; of a name that comes twice the first counts.

    Raises S3Error for what is not percent-encoded UTF-8.
    """
    if not query:
        return EMPTY
    found: dict[str, str] = {}
    for parameter in query.split("&"):
        if parameter:
            name, _, value = parameter.replace("+", "%20").partition("=")
            found.setdefault(decode(name), decode(value))
    return found


def integer(query: Mapping[str, str], name: str, default: int) -> int:
    """A number that is not negative; the default where absent or empty."""
    value = query.get(name)
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= MAX_INTEGER):
        raise invalid_argument(name, value, f"Argument {name} must be an integer between 0 and {MAX_INTEGER}")
    return int(value)


def url_encoding(query: Mapping[str, str]) -> bool:
    """Does the caller want names percent-encoded in the answer?"""
    wanted = query.get("encoding-type")
    if wanted is None or wanted == "":
        return False
    if wanted.lower() != "url":
        raise invalid_argument("encoding-type", wanted, "Invalid Encoding Method specified in Request")
    return True
