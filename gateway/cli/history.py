"""Audit entries, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.cli.output import print_table


def print_entries(entries: Iterable[Mapping[str, Any]]) -> None:
    print_table(
        ("id", "at", "actor", "from", "action", "outcome", "what", "detail"),
        (
            (
                str(entry["id"]),
                entry["at"],
                entry["actor"] or entry["access_key"] or "nobody",
                entry["source_address"] or "",
                entry["action"],
                entry["outcome"],
                "/".join(filter(None, (entry["repository"], entry["resource"]))),
                "" if entry["detail"] is None else json.dumps(entry["detail"], ensure_ascii=False),
            )
            for entry in entries
        ),
    )
