"""How long a package must be kept: the arithmetic of retention, in one place. None stands for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.clock import SECOND


def later(one: int | None, other: int | None) -> int | None:
    """The later of two ends; for ever is later than any."""
    return None if one is None or other is None else max(one, other)


def expiry(start: int, duration: int | None, extended_until: int | None) -> int | None:
    """When what began at `start` under a class of `duration` seconds may go, given what was granted by hand."""
    end = None if duration is None else start + duration * SECOND
    return end if extended_until is None else later(end, extended_until)


def begins(package: Mapping[str, Any]) -> int:
    """The moment that the term of a package counts from: its finalization, before that its creation."""
    start: int = package["finalized_at"] if package["finalized_at"] is not None else package["created_at"]
    return start
