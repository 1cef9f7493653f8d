"""Default retention: the lock that a repository gives each version when it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from registry.clock import SECOND

DOCUMENT = "object-lock"
"""The kind of the repository document that holds it."""

MODES = frozenset({"GOVERNANCE", "COMPLIANCE"})


@dataclass(frozen=True, slots=True)
class DefaultRetention:
    """So many days or years from when a version is written; one of the two is given."""

    mode: str
    days: int | None = None
    years: int | None = None

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> DefaultRetention:
        return cls(document["mode"], document.get("days"), document.get("years"))

    @classmethod
    def of_text(cls, text: str) -> DefaultRetention:
        return cls.of_document(json.loads(text))

    def document(self) -> dict[str, Any]:
        return {"mode": self.mode, **({"days": self.days} if self.years is None else {"years": self.years})}

    def until(self, now: int) -> int:
        """When the lock of a version ends that is written now. Rounded up: S3 tells whole seconds."""
        begins = datetime.fromtimestamp(-(-now // SECOND), UTC)
        if self.years is None:
            ends = begins + timedelta(days=self.days or 0)
        else:
            leap_day = (begins.month, begins.day) == (2, 29)
            ends = (begins + timedelta(days=1) if leap_day else begins).replace(year=begins.year + self.years)
        return int(ends.timestamp()) * SECOND
