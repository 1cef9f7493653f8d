"""Resident memory of a process and all its descendants, from Linux's /proc."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

_PROC = Path("/proc")


class Memory:
    """Watches how much the resident memory of a family of processes grows from now on."""

    def __init__(self, processes: list[Path]) -> None:
        self._before = {process: _kibibytes(process, "VmRSS") for process in processes}
        for process in processes:
            # proc_pid_clear_refs(5): 5 resets the peak to what is resident now.
            (process / "clear_refs").write_text("5")

    @classmethod
    def of(cls, pid: int) -> Self:
        """Watch the process `pid` and all its present descendants."""
        children: dict[int, list[int]] = {}
        for status in _PROC.glob("[0-9]*/status"):
            try:
                parent = int(_field(status, "PPid"))
            except FileNotFoundError:
                continue  # ended meanwhile
            children.setdefault(parent, []).append(int(status.parent.name))
        family = [pid]
        for member in family:
            family += children.get(member, [])
        return cls([_PROC / str(member) for member in family])

    def growth(self) -> int:
        """Bytes by which the processes have grown at most: the sum of each one's own peak."""
        return 1024 * sum(_kibibytes(process, "VmHWM") - before for process, before in self._before.items())


def _kibibytes(process: Path, field: str) -> int:
    return int(_field(process / "status", field).removesuffix(" kB"))


def _field(status: Path, name: str) -> str:
    found = re.search(rf"^{name}:\s*(.*)$", status.read_text(), re.MULTILINE)
    if not found:
        raise ValueError(f"{status} has no {name}")
    return found[1]
