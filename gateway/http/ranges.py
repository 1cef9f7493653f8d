"""The Range header of a request for one stretch of a file (RFC 9110 §14)."""

from __future__ import annotations

from registry.errors import InvalidRangeError


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes [start, stop) of a file of `size` bytes that a Range header asks for; None for the whole file.

    A header that is malformed, in another unit, or asks for several ranges is ignored, as S3 does.
    Raises InvalidRangeError when the range lies outside the file.
    """
    if header is None:
        return None
    unit, equals, wanted = header.partition("=")
    first, dash, last = wanted.strip().partition("-")
    if not equals or not dash or unit.strip().lower() != "bytes":
        return None
    if not (_is_number(first) and (_is_number(last) or not last)) and not (not first and _is_number(last)):
        return None
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), int(last) + 1 if last else size
        if last and stop <= start:
            return None
    if start >= size:
        raise InvalidRangeError(size)
    return start, min(stop, size)


def content_range(start: int, stop: int, size: int) -> str:
    """The Content-Range header of the answer with bytes [start, stop)."""
    return f"bytes {start}-{stop - 1}/{size}"


def _is_number(text: str) -> bool:
    # More digits than any size has would only cost time to convert.
    return text.isascii() and text.isdigit() and len(text) <= 20
