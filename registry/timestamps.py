"""Moments: microseconds since 1970 in UTC inside the registry, RFC 3339 in documents and for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def format_timestamp(moment: int) -> str:
    """Microseconds as RFC 3339 in UTC; always with six decimals, so that text order is time order."""
    at = _EPOCH + timedelta(microseconds=moment)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0") + "Z"


def parse_timestamp(text: str) -> int:
    """RFC 3339 (section 5.6) as microseconds; finer decimals are cut off.

    Raises ValueError with a sentence that shows the form, also for a time without an offset: whose noon
    would it be?
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text!r} is not an RFC 3339 time with an offset, like 2033-01-31T00:00:00Z.")
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ValueError(f"{text!r} is no moment of the calendar: {error}.") from None
    return (at - _EPOCH) // timedelta(microseconds=1)
