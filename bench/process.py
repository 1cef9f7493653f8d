"""What a server costs: CPU time and memory of all its processes, read from /proc (proc(5))."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_RESET_PEAK = "5"


def tree(root: int) -> set[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for pid, fields in _stats():
        children.setdefault(int(fields[1]), []).append(pid)
    found, pending = set(), [root]
    while pending:
        pid = pending.pop()
        found.add(pid)
        pending += children.get(pid, [])
    return found


def cpu_seconds(pids: set[int]) -> float:
    """User and system time of the processes, and of their children that have ended; in steps of 1/_TICKS s."""
    return sum(sum(map(int, fields[11:15])) for pid, fields in _stats() if pid in pids) / _TICKS


def _stats() -> Iterator[tuple[int, list[str]]]:
    """Each process's /proc/<pid>/stat from the third field (state) on; the name before it may hold anything."""
    for path in _PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield int(path.parent.name), path.read_text().rpartition(")")[2].split()


def busy_seconds() -> float:
    """CPU time of the whole machine that was not idle."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, (_PROC / "stat").read_text().partition("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / _TICKS


def reset_peak_memory(pids: set[int]) -> None:
    for pid in pids:
        (_PROC / str(pid) / "clear_refs").write_text(_RESET_PEAK)


def peak_memory(pids: set[int]) -> int:
    """Bytes: the sum of each process's peak resident set since the last reset. Shared pages count in each."""
    total = 0
    for pid in pids:
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                total += int(line.split()[1]) * 1024
    return total
