"""What repositories, files and packages may be called."""

from __future__ import annotations

import re

from registry.errors import InvalidArgumentError, InvalidKeyError, InvalidRepositoryNameError, KeyTooLongError

KEY_BYTES = 1024
PACKAGE_NAME_BYTES = 512
"""Leaves room for paths below it."""
RESERVED_SEGMENT = ".artifact"
"""The segment below a package that belongs to the registry."""

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def check_repository_name(name: str) -> None:
    """Raise InvalidRepositoryNameError, saying which of S3's rules the name breaks."""
    if not _REPOSITORY.fullmatch(name):
        message = (
            "The specified bucket is not valid: a name has 3 to 63 characters, only lower-case letters, digits, "
            "dots and hyphens, and begins and ends with a letter or digit."
        )
    elif ".." in name or _ADDRESS.fullmatch(name):
        message = "The specified bucket is not valid: no two dots in a row, and not the form of an IP address."
    elif name.startswith(_RESERVED_PREFIXES) or name.endswith(_RESERVED_SUFFIXES):
        message = "The specified bucket is not valid: S3 reserves this prefix or suffix."
    else:
        return
    raise InvalidRepositoryNameError(message)


def check_key(key: str) -> None:
    """Raise InvalidKeyError or KeyTooLongError unless the key can name a file.

    Control characters are refused: no XML 1.0 listing could show them, and no tool types them on purpose.
    """
    if not key:
        raise InvalidKeyError("A key has at least one character.")
    if len(key) > KEY_BYTES // 4:
        size = len(key.encode("utf-8", "surrogatepass"))
        if size > KEY_BYTES:
            raise KeyTooLongError(size)
    if _CONTROL.search(key):
        raise InvalidKeyError("A key cannot contain control characters (U+0000 to U+001F, U+007F).")
    if not key.isprintable() and any("\ud800" <= char <= "\udfff" for char in key):
        raise InvalidKeyError("A key is valid UTF-8.")


def package_name(key: str, depth: int) -> str | None:
    """The name of the package that a key lies in: its first `depth` segments; None for a loose file.

    >>> package_name("run-42/report/index.html", 1)
    'run-42'
    >>> package_name("readme.txt", 1) is None
    True
    """
    if depth == 0:
        return None
    end = -1
    for _ in range(depth):
        end = key.find("/", end + 1)
        if end < 0:
            return None
    return key[:end] or None


def is_control(key: str, depth: int) -> bool:
    """Whether the key is one of the registry's own below a package: `<package>/.artifact/...`."""
    name = package_name(key, depth)
    return name is not None and key.startswith(f"{RESERVED_SEGMENT}/", len(name) + 1)


def check_package_name(name: str, depth: int) -> None:
    """Raise InvalidArgumentError unless keys below `name/` would form a package of that name."""
    segments = name.split("/")
    size = len(name.encode("utf-8", "surrogatepass"))
    if len(segments) != depth:
        fault = f"in this repository a package name has {depth} segment{'s' if depth != 1 else ''}, not {len(segments)}"
    elif not all(segments):
        fault = "a package name has no empty segment, and neither begins nor ends with a slash"
    elif {".", "..", RESERVED_SEGMENT} & set(segments):
        fault = f"no segment of a package name is '.', '..' or '{RESERVED_SEGMENT}'"
    elif size > PACKAGE_NAME_BYTES:
        fault = f"a package name has at most {PACKAGE_NAME_BYTES} bytes, this one has {size}"
    elif _CONTROL.search(name) or any("\ud800" <= char <= "\udfff" for char in name):
        fault = "a package name is valid UTF-8 without control characters"
    else:
        return
    raise InvalidArgumentError("name", name, f"The name {name[:80]!r} cannot name a package: {fault}.")
