"""What the public suite found, test by test, and why it differs where it does."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
PASSED = "passed"


def listed() -> Sequence[str]:
    """The tests that are run, as `file::test`."""
    lines = (HERE / "tests.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def differences() -> Mapping[str, Sequence[str]]:
    """Tests that do not pass, by the reason why."""
    found: dict[str, Sequence[str]] = {}
    for group in (HERE / "differences.txt").read_text().strip().split("\n\n"):
        lines = group.splitlines()
        reason = " ".join(line.removeprefix("# ") for line in lines if line.startswith("#"))
        found[reason] = [line for line in lines if not line.startswith("#")]
    return found


def read() -> Mapping[str, str]:
    """The results of the last run by test; none before the first."""
    if not RESULTS.exists():
        return {}
    with RESULTS.open(newline="") as file:
        return dict(csv.reader(file))


def write(results: Mapping[str, str]) -> None:
    """Keep the results of a run."""
    with RESULTS.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows((test, results.get(test, "missing")) for test in listed())
