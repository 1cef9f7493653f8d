"""Times as S3 writes them. Microseconds in, whole seconds out: what a listing says equals what a header says."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache


def http_date(at: int) -> str:
    """As in Last-Modified."""
    return _http_date(at // 1_000_000)


def iso_date(at: int) -> str:
    """As in documents."""
    return _iso_date(at // 1_000_000)


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


@lru_cache(maxsize=4096)
def _iso_date(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
