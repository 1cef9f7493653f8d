"""The life of a package: which status may follow which, in one place.

    created ──> uploading ──> finalized ──> deleted
       │            │  ^          ^            │
       │            v  │          └─(restored)─┤
       └────────> failed                       │
                    uploading <──(restored)────┘

The first file makes a created package uploading. One that nobody finalizes becomes failed, and uploading
again when its producer comes back after all. A finalized one takes files only while it is being amended.
"""

from __future__ import annotations

from typing import Any

from registry.errors import PackageStateError
from registry.model import PackageStatus

_NEXT: dict[PackageStatus, frozenset[PackageStatus]] = {
    PackageStatus.CREATED: frozenset({PackageStatus.UPLOADING, PackageStatus.FAILED, PackageStatus.DELETED}),
    PackageStatus.UPLOADING: frozenset({PackageStatus.FINALIZED, PackageStatus.FAILED, PackageStatus.DELETED}),
    PackageStatus.FAILED: frozenset({PackageStatus.UPLOADING, PackageStatus.DELETED}),
    PackageStatus.FINALIZED: frozenset({PackageStatus.FINALIZED, PackageStatus.DELETED}),
    PackageStatus.DELETED: frozenset({PackageStatus.UPLOADING, PackageStatus.FINALIZED}),
}


def allowed(status: PackageStatus) -> frozenset[PackageStatus]:
    """What a package of that status may become."""
    return _NEXT[status]


def move(package: dict[str, Any], status: PackageStatus) -> None:
    """Give the package's row another status. Raises PackageStateError where that one cannot follow."""
    now = PackageStatus(package["status"])
    if status is now is PackageStatus.UPLOADING:
        return
    if status not in _NEXT[now]:
        raise PackageStateError(f"Package {package['name']} is {now} and cannot become {status}.")
    package["status"] = status.value
