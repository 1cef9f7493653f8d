"""Conditional requests (RFC 9110 §13), in the order of precedence that S3 documents for GET and HEAD."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache

from registry.errors import PreconditionFailedError

READ = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since")
"""Names of the conditions on what is read."""
COPY_SOURCE = tuple(f"x-amz-copy-source-{name}" for name in READ)
"""Names of the conditions on the source of a copy."""


def is_modified(headers: Mapping[str, str], etag: str, modified_at: int, names: tuple[str, ...] = READ) -> bool:
    """Should the file be sent? False: the caller has it (304). `etag` is without quotes, `modified_at` in microseconds.

    Headers are by lower-case name. An ETag condition beats the date condition beside it. A date that cannot be
    read is ignored. Raises PreconditionFailedError for a condition on what must still hold.
    """
    if headers.keys().isdisjoint(names):
        return True
    if_match, if_unmodified_since, if_none_match, if_modified_since = names
    if (wanted := headers.get(if_match)) is not None:
        if not matches(wanted, etag):
            raise PreconditionFailedError(if_match)
    elif (since := _seconds(headers.get(if_unmodified_since))) is not None and modified_at // 1_000_000 > since:
        raise PreconditionFailedError(if_unmodified_since)
    if (unwanted := headers.get(if_none_match)) is not None:
        return not matches(unwanted, etag)
    since = _seconds(headers.get(if_modified_since))
    return since is None or modified_at // 1_000_000 > since


def matches(header: str, etag: str) -> bool:
    """Does a list of entity tags, quoted or not, or `*`, name this one?"""
    return any(tag in ("*", etag) for tag in map(unquoted, header.split(",")))


def unquoted(tag: str) -> str:
    """An entity tag without weakness mark and quotes."""
    return tag.strip().removeprefix("W/").strip('"')


@lru_cache(maxsize=1024)
def _seconds(date: str | None) -> int | None:
    if date is None:
        return None
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except (ValueError, OverflowError):
        return None
