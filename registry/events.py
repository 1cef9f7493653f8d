"""Events: what happened, for those who subscribe. Written in the transaction of what they tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def event(
    at: int, kind: str, payload: Mapping[str, Any], *, repository_id: int | None = None, package_id: str | None = None
) -> dict[str, Any]:
    """A row of `events`, to be inserted in the transaction of what it tells."""
    return {
        "place": None,
        "at": at,
        "type": kind,
        "repository_id": repository_id,
        "package_id": package_id,
        "payload": json.dumps(payload, ensure_ascii=False, separators=(",", ":")),
    }
