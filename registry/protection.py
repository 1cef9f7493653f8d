"""May this version be removed or replaced? One predicate for every path, and every reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from registry.clock import SECOND
from registry.model import Protection

Row = Mapping[str, Any]


def moment(at: int) -> str:
    """A time as people and RFC 3339 write it, in UTC, to the second."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_frozen(version: Row, package: Row | None) -> bool:
    """Whether the version is part of a finalized revision of its package."""
    return package is not None and version["revision"] is not None and version["revision"] <= package["revision"]


def reasons(
    version: Row, package: Row | None, holds: Iterable[Row], now: int, *, bypass_governance: bool = False
) -> tuple[Protection, ...]:
    """Every reason why the version may be neither removed nor replaced; empty when it may.

    `holds` are the active ones on the version and on its package. `bypass_governance` says that the
    caller asked for it and has the permission; nothing bypasses anything else.
    """
    found = []
    if package is not None and is_frozen(version, package):
        found.append(_finalized(package, now))
    until = version["retain_until"]
    if until is not None and until > now:
        mode = version["lock_mode"]
        if mode == "COMPLIANCE" or not bypass_governance:
            message = f"object lock in {mode} mode retains this version until {moment(until)}"
            found.append(Protection("object_lock", message, until=until, mode=mode))
    found.extend(_held(hold) for hold in holds)
    return tuple(found)


def frozen_reason(package: Row, now: int) -> Protection:
    """Why nothing may be added to a package that is finalized and not being amended."""
    return _finalized(package, now)


def _finalized(package: Row, now: int) -> Protection:
    until = package["expires_at"]
    kept = "for ever" if until is None else f"until {moment(until)}"
    tense = "is" if until is None or until > now else "was"
    message = (
        f"package {package['name']} was finalized at {moment(package['finalized_at'])} and its files cannot change "
        f"(it {tense} retained {kept} by class {package['retention_class']})"
    )
    return Protection("finalized", message, until=until)


def _held(hold: Row) -> Protection:
    case = f", case {hold['case_ref']}" if hold["case_ref"] else ""
    message = f"hold {hold['name']} (placed by {hold['placed_by']}{case}): {hold['reason']}"
    return Protection("hold", message, hold=hold["name"], case_ref=hold["case_ref"])
