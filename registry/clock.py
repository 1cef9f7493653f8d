"""Time, as rows keep it: integer microseconds since 1970 in UTC."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

Clock: TypeAlias = Callable[[], int]
"""Gives the current time in microseconds since 1970 in UTC. Tests put their own in the place of `now`."""

SECOND = 1_000_000


def now() -> int:
    """The machine's clock."""
    return time.time_ns() // 1000
