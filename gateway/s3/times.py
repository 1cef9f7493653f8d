"""Times as S3 writes them. Microseconds here, whole seconds there: what a listing says equals what a header says."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def http_date(at: int) -> str:
    """As in Last-Modified."""
    return _http_date(at // 1_000_000)


def iso_date(at: int) -> str:
    """As in documents."""
    return _iso_date(at // 1_000_000)


def moment(said: str) -> int | None:
    """A time in ISO 8601 with its zone, in microseconds, rounded up to whole seconds; None for what is none."""
    try:
        at = datetime.fromisoformat(said.strip())
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return math.ceil((at - _EPOCH) / timedelta(seconds=1)) * 1_000_000


def seconds(said: str) -> int | None:
    """A date in the form of HTTP or of ISO 8601, in seconds; None for what is none."""
    at = moment(said)
    if at is not None:
        return at // 1_000_000
    try:
        return int(parsedate_to_datetime(said).timestamp())
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


@lru_cache(maxsize=4096)
def _iso_date(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
