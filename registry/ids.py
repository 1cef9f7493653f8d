"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import os
import threading
import time

_lock = threading.Lock()
_last = 0


def uuid7() -> str:
    """A UUIDv7 (RFC 9562) as 32 hex digits; within a process strictly increasing.

    The 12 bits after the milliseconds count sub-milliseconds (RFC 9562 §6.2 method 3), so that order
    holds for identifiers made within one millisecond too.
    """
    global _last  # noqa: PLW0603 - the one counter of the process
    ticks = time.time_ns() * 4096 // 1_000_000
    with _lock:
        _last = ticks = max(ticks, _last + 1)
    random = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    return f"{ticks >> 12:012x}7{ticks & 0xFFF:03x}{0x8000_0000_0000_0000 | random:016x}"
