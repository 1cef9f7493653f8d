"""Runs of guide-board: one directory each, described by JSON files of a fixed place.

The metadata made of them is what guide-board asks of a store (`guide-board.run.v1`): run_id, target_profile_ref,
assessment_profile_ref, result_status, source_commits, report_paths, evidence_counts and finding_counts; and the
days of retention that the run's profile asks for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.cli.profiles.profile import Description, Fault, FaultyDirectoryError

SCHEMA = "guide-board.run.v1"
PRODUCER = "guide-board"

REQUIRED = (
    "run.json",
    "plan.json",
    "retention-summary.json",
    "normalized/evidence.json",
    "normalized/findings.json",
    "normalized/mappings.json",
    "reports/assessment-package.json",
    "reports/report.md",
)
"""What every run has."""

OPTIONAL = (
    "sources.lock.json",
    "reports/fragments.json",
    "reports/submission-package.json",
    "reports/cmis-maturity-scorecard.json",
    "reports/opencmis-log-review.json",
    "exports/export-manifest.json",
)
"""What older runs lack or what arrives later; where it is there, it is to be whole."""

RESULTS = frozenset(
    {
        "pass",
        "fail",
        "warning",
        "manual",
        "not_applicable",
        "skipped",
        "expected_gap",
        "waiver_applied",
        "unsupported_by_design",
        "infrastructure_error",
        "blocked",
        "unknown",
    }
)
EVIDENCE_FIELDS = frozenset(
    {
        "id",
        "run_id",
        "extension_id",
        "check_id",
        "subject_ref",
        "result",
        "observations",
        "facts",
        "requirement_refs",
        "artifact_refs",
        "started_at",
        "completed_at",
    }
)
"""The schema of an evidence item is closed: these fields, all of them."""

CLASSES = ((7, "transient"), (30, "raw-evidence"), (365, "summary-evidence"), (7 * 366, "release-evidence"))
"""The days that each class keeps by default."""

_MOST_FAULTS_PER_FILE = 10


def read(directory: Path) -> Description:
    """Describe a run by its own files. Raises FaultyDirectoryError naming every missing or malformed one."""
    run = _Run(directory)
    description = run.describe()
    if run.faults:
        raise FaultyDirectoryError(run.faults)
    return description


class _Run:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.faults: list[Fault] = []
        self._documents = dict(self._read_all())

    def describe(self) -> Description:
        """The description; of no use when it left faults."""
        run_id, retention = self._run_id(), self._retention()
        metadata = {
            "schema": SCHEMA,
            "run_id": run_id,
            "target_profile_ref": self._text("target_profile_ref"),
            "assessment_profile_ref": self._text("assessment_profile_ref"),
            "result_status": self._text("result_status"),
            "source_commits": self._source_commits(),
            "report_paths": self._report_paths(),
            "evidence_counts": self._evidence_counts(run_id),
            "finding_counts": self._finding_counts(),
            "retention": retention,
        }
        return Description(run_id, metadata, PRODUCER, retention_class(max(retention.values(), default=0)))

    # --- files ---

    def _read_all(self) -> Iterator[tuple[str, Any]]:
        for name in (*REQUIRED, *OPTIONAL):
            path = self._directory / name
            if not path.is_file():
                if name in REQUIRED:
                    self._fault(name, "is missing" if not path.exists() else "is not a file")
                continue
            try:
                content = path.read_bytes()
                yield name, json.loads(content.decode()) if name.endswith(".json") else content.decode()
            except OSError as error:
                self._fault(name, f"cannot be read: {error.strerror}")
            except UnicodeDecodeError as error:
                self._fault(name, f"is not UTF-8 (byte {error.start})")
            except json.JSONDecodeError as error:
                self._fault(name, f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}")
            except RecursionError:
                self._fault(name, "is JSON nested too deeply")

    def _object(self, name: str) -> Mapping[str, Any]:
        """The object in a file; an empty one, with a fault, where there is something else."""
        document = self._documents.get(name, {})
        if not isinstance(document, dict):
            self._fault(name, "is not a JSON object")
            return {}
        return document

    def _items(self, name: str, field: str) -> list[dict[str, Any]]:
        """The objects listed in a file, which is a list itself or holds one in `field`."""
        if name not in self._documents:
            return []
        document = self._documents[name]
        items = document.get(field) if isinstance(document, dict) else document
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            self._fault(name, f"holds no list of objects, neither itself nor as its field {field}")
            return []
        return items

    def _fault(self, name: str, message: str) -> None:
        fault = Fault(name, message)
        if fault not in self.faults and sum(known.path == name for known in self.faults) < _MOST_FAULTS_PER_FILE:
            self.faults.append(fault)

    # --- what they say ---

    def _statements(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The places where a run tells about itself, the most authoritative first."""
        yield "run.json", self._object("run.json")
        yield "plan.json", self._object("plan.json")
        package = self._object("reports/assessment-package.json")
        yield "reports/assessment-package.json", package
        for name, holder, field in (
            ("reports/assessment-package.json", package, "metadata"),
            (
                "reports/submission-package.json",
                self._object("reports/submission-package.json"),
                "reported_metadata",
            ),
        ):
            if isinstance(holder.get(field), dict):
                yield name, holder[field]

    def _told(self, field: str, kind: type) -> Any:
        """The first statement of a field, or None."""
        for name, statement in self._statements():
            if field in statement:
                if isinstance(statement[field], kind):
                    return statement[field]
                self._fault(name, f"{field} is not of type {_NAMES[kind]}")
        return None

    def _text(self, field: str) -> str:
        found = self._told(field, str)
        if not found and "run.json" in self._documents:
            self._fault("run.json", f"{field} is missing")
        return found or ""

    def _run_id(self) -> str:
        run_id = self._text("run_id")
        for name, statement in self._statements():
            other = statement.get("run_id", run_id)
            if other != run_id:
                self._fault(name, f"is of another run: run_id is {other!r}, not {run_id!r}")
        if "/" in run_id or run_id in (".", ".."):
            self._fault("run.json", f"run_id {run_id!r} cannot name a package")
        return run_id

    def _source_commits(self) -> dict[str, str]:
        told = self._told("source_commits", dict)
        if told is not None:
            if not all(isinstance(commit, str) for commit in told.values()):
                self._fault("run.json", "source_commits does not map names to commits")
            return dict(told)
        locked = self._object("sources.lock.json").get("extensions")
        return {
            entry["id"]: entry["commit"]
            for entry in (locked if isinstance(locked, list) else ())
            if isinstance(entry, dict) and isinstance(entry.get("id"), str) and isinstance(entry.get("commit"), str)
        }

    def _report_paths(self) -> list[str]:
        """Every report that is there; each one that the run tells of must be."""
        there = {
            path.relative_to(self._directory).as_posix()
            for path in (self._directory / "reports").rglob("*")
            if path.is_file()
        }
        for path in map(str, self._told("report_paths", list) or ()):
            if path not in there and path not in REQUIRED:
                self._fault(path, "is missing, but the run names it in report_paths")
        return sorted(there)

    def _evidence_counts(self, run_id: str) -> dict[str, int]:
        name = "normalized/evidence.json"
        counts: Counter[str] = Counter()
        for index, item in enumerate(self._items(name, "evidence")):
            for field in sorted(EVIDENCE_FIELDS - item.keys()):
                self._fault(name, f"item {index} lacks {field}")
            for field in sorted(item.keys() - EVIDENCE_FIELDS):
                self._fault(name, f"item {index} has a field that evidence does not have: {field}")
            if item.get("run_id", run_id) != run_id:
                self._fault(name, f"item {index} is of another run: run_id is {item['run_id']!r}, not {run_id!r}")
            result = item.get("result")
            if isinstance(result, str) and result in RESULTS:
                counts[result] += 1
            elif "result" in item:
                self._fault(name, f"item {index} has a result that evidence does not have: {result!r}")
        return dict(sorted(counts.items()))

    def _finding_counts(self) -> dict[str, int]:
        """As the run tells them; counted by severity where it does not."""
        findings = self._items("normalized/findings.json", "findings")
        told = self._told("finding_counts", dict)
        if told is not None:
            return dict(told)
        return dict(sorted(Counter(str(finding.get("severity", "unspecified")) for finding in findings).items()))

    def _retention(self) -> dict[str, int]:
        name = "retention-summary.json"
        summary = self._object(name)
        found = {}
        for field in ("summary_days", "raw_artifact_days"):
            days = summary.get(field)
            if isinstance(days, int) and not isinstance(days, bool) and days > 0:
                found[field] = days
            elif name in self._documents:
                self._fault(name, f"{field} is missing" if field not in summary else f"{field} is no number of days")
        return found


def retention_class(days: int) -> str:
    """The shortest class that keeps a package for so many days by default.

    A package is kept as a whole, so it needs the class of what is to be kept longest in it.
    """
    return next((name for kept, name in CLASSES if days <= kept), "permanent-record")


_NAMES: Mapping[type, str] = {str: "string", dict: "object", list: "array"}
