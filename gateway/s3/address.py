"""Which bucket and which key a request names: path-style and virtual-host style, from the raw path as sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote_to_bytes

from gateway.s3.errors import S3Error
from gateway.s3.routes import Target
from registry.errors import KeyTooLongError
from registry.names import KEY_BYTES

_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Address:
    """What a request is about. `bucket` and `key` are decoded."""

    bucket: str = ""
    key: str = ""
    virtual_host: bool = False

    @property
    def target(self) -> Target:
        return Target.OBJECT if self.key else Target.BUCKET if self.bucket else Target.SERVICE

    @property
    def resource(self) -> str:
        """As S3 names it in an error document."""
        return f"/{self.bucket}/{self.key}" if self.key else f"/{self.bucket}"


def resolve(path: str, host: str, domains: Sequence[str]) -> Address:
    """The address in a raw path (still percent-encoded, origin form, without its query) under a Host header.

    `domains` are those that buckets are subdomains of. Raises S3Error for what is not percent-encoded UTF-8,
    KeyTooLongError for a key over 1,024 bytes.
    """
    if not path.startswith("/"):
        raise S3Error("InvalidURI")
    bucket = _bucket_of_host(host, domains) if domains else ""
    if bucket:
        return Address(bucket, _key(path[1:]), virtual_host=True)
    first, _, rest = path[1:].partition("/")
    if rest and not first:
        raise S3Error("InvalidBucketName", "The specified bucket is not valid: the path begins with two slashes.")
    return Address(decode(first), _key(rest))


def decode(text: str) -> str:
    """Percent-decode strictly: `+` stays as it is, and what is no UTF-8 raises S3Error."""
    if "%" not in text and text.isascii():
        return text
    _, *escapes = text.split("%")
    if not all(len(escape) >= 2 and escape[0] in _HEX and escape[1] in _HEX for escape in escapes):
        raise S3Error("InvalidURI", "Couldn't parse the specified URI: a % is not followed by two hexadecimal digits.")
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI", "Couldn't parse the specified URI: it is not valid UTF-8.") from None


def hint(host: str, domains: Sequence[str]) -> str:
    """A sentence for the one whose bucket was not found, where the Host header may have been meant to name it."""
    name = _hostname(host)
    if "." not in name or _is_address(name) or _bucket_of_host(host, domains) or name in domains:
        return ""
    return (
        f" If {name.partition('.')[0]} was meant as the bucket's name, this server has to be told its domain:"
        " set ARTIFACT_STORE_S3_DOMAIN, or use path-style addressing in the client."
    )


def _key(text: str) -> str:
    if len(text) > KEY_BYTES * 3:
        raise KeyTooLongError(len(unquote_to_bytes(text.encode("utf-8", "surrogateescape"))))
    key = decode(text)
    if len(key) > KEY_BYTES // 4 and (size := len(key.encode())) > KEY_BYTES:
        raise KeyTooLongError(size)
    return key


def _bucket_of_host(host: str, domains: Sequence[str]) -> str:
    name = _hostname(host)
    for domain in domains:
        if name.endswith(domain) and name[: -len(domain)].endswith("."):
            return name[: -len(domain) - 1]
    return ""


def _hostname(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
