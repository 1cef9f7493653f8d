"""Audit entries: who did what, when, through what, and how it ended. Written with what they tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from registry.model import Actor

DONE = "done"
DENIED = "denied"


def entry(
    at: int,
    actor: Actor | None,
    action: str,
    *,
    outcome: str = DONE,
    repository: str | None = None,
    resource: str | None = None,
    package_id: str | None = None,
    version_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A row of `audit_entries`, to be inserted in the transaction of what it tells."""
    return {
        "at": at,
        "actor": actor.name if actor else None,
        "access_key": actor.access_key if actor else None,
        "source_address": actor.source_address if actor else None,
        "request_id": actor.request_id if actor else None,
        "action": action,
        "outcome": outcome,
        "repository": repository,
        "resource": resource,
        "package_id": package_id,
        "version_id": version_id,
        "detail": json.dumps(detail, ensure_ascii=False, separators=(",", ":")) if detail else None,
    }
