"""May this version be removed or replaced? One predicate for every path, and every reason why not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from registry.clock import SECOND
from registry.db import schema
from registry.model import PackageStatus, Protection

Row: TypeAlias = Any
"""A row: subscriptable by column name."""


def moment(at: int) -> str:
    """A time as people and RFC 3339 write it, in UTC, to the second."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_frozen(version: Row, package: Row | None) -> bool:
    """Whether the version is part of a finalized revision of its package."""
    return package is not None and version["revision"] is not None and version["revision"] <= package["revision"]


def is_closed(package: Row) -> bool:
    """Whether the package takes no more files."""
    return bool(package["status"] == PackageStatus.FINALIZED and not package["amending"])


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
    if _is_locked(version, now, bypass_governance=bypass_governance):
        found.append(_locked(version))
    found.extend(_held(hold) for hold in holds)
    return tuple(found)


def relock_reasons(
    version: Row, now: int, *, mode: str | None, until: int | None, bypass_governance: bool
) -> tuple[Protection, ...]:
    """Why the version's object lock may not become this one (None: no lock); empty when it may.

    A lock may always become longer. COMPLIANCE keeps its mode even when its time is over.
    """
    before = version["retain_until"]
    is_longer = before is None or (until is not None and until >= before and mode == version["lock_mode"])
    if is_longer:
        return ()
    if version["lock_mode"] == "COMPLIANCE" or _is_locked(version, now, bypass_governance=bypass_governance):
        return (_locked(version),)
    return ()


def frozen_reason(package: Row, now: int) -> Protection:
    """Why nothing may be added to a package that is finalized and not being amended."""
    return _finalized(package, now)


def _is_locked(version: Row, now: int, *, bypass_governance: bool) -> bool:
    until = version["retain_until"]
    return until is not None and until > now and (version["lock_mode"] == "COMPLIANCE" or not bypass_governance)


def _locked(version: Row) -> Protection:
    until, mode = version["retain_until"], version["lock_mode"]
    message = f"object lock in {mode} mode retains this version until {moment(until)}"
    return Protection("object_lock", message, until=until, mode=mode)


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


async def package_reasons(connection: AsyncConnection, package: Row, now: int) -> tuple[Protection, ...]:
    """Every reason why the package may not be deleted; empty when it may."""
    found = []
    if package["status"] == PackageStatus.FINALIZED:
        until = package["expires_at"]
        if until is None or until > now:
            kept = "for ever" if until is None else f"until {moment(until)}"
            message = f"package {package['name']} is retained {kept} by class {package['retention_class']}"
            found.append(Protection("retention", message, until=until))
    holds, versions = schema.holds, schema.file_versions
    of_package = versions.c.package_id == package["id"]
    active = (
        select(holds)
        .where(
            holds.c.released_at.is_(None),
            (holds.c.package_id == package["id"]) | holds.c.version_id.in_(select(versions.c.id).where(of_package)),
        )
        .order_by(holds.c.placed_at, holds.c.id)
    )
    found += [_held(hold) for hold in (await connection.execute(active)).mappings()]
    locked = select(func.count(), func.max(versions.c.retain_until)).where(of_package, versions.c.retain_until > now)
    count, until = (await connection.execute(locked)).one()
    if count:
        message = f"object lock retains {count} of its file versions until {moment(until)}"
        found.append(Protection("object_lock", message, until=until))
    return tuple(found)
