from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.profiles import PROFILES
from gateway.cli.profiles.guide_board import OPTIONAL, REQUIRED, read, retention_class
from gateway.cli.profiles.profile import FaultyDirectoryError
from tests.fixtures import guide_board


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return guide_board.write(tmp_path, stdout_size=100)


def change(path: Path, edit: Callable[[Any], object]) -> None:
    """Edit a JSON document: in place, or into what is returned."""
    document = json.loads(path.read_text())
    replaced = edit(document)
    path.write_text(json.dumps(document if replaced is None else replaced))


def forget(run: Path, field: str) -> None:
    """Remove a field everywhere a run may tell it."""

    def forgetting(document: dict[str, Any]) -> None:
        for statement in (document, document.get("metadata", {}), document.get("reported_metadata", {})):
            statement.pop(field, None)

    for name in ("run.json", "plan.json", "reports/assessment-package.json", "reports/submission-package.json"):
        if (run / name).exists():
            change(run / name, forgetting)


def faults(run: Path) -> list[str]:
    with pytest.raises(FaultyDirectoryError) as faulty:
        read(run)
    return [str(fault) for fault in faulty.value.faults]


def test_a_completed_run(run: Path) -> None:
    found = read(run)
    assert (found.name, found.producer, found.retention_class) == (
        "run-20260513T210255Z",
        "guide-board",
        "summary-evidence",
    )
    told = json.loads((run / "run.json").read_text())
    assert found.metadata == {
        "schema": "guide-board.run.v1",
        "run_id": "run-20260513T210255Z",
        "target_profile_ref": "profile:kontextual-cmis-compat",
        "assessment_profile_ref": "profile:cmis-browser-baseline",
        "result_status": "completed",
        "source_commits": told["source_commits"],
        "report_paths": sorted(path for path in guide_board.files() if path.startswith("reports/")),
        "evidence_counts": {"pass": 1, "warning": 2},
        "finding_counts": told["finding_counts"],
        "retention": {"summary_days": 365, "raw_artifact_days": 30},
    }
    assert set(told["source_commits"]) == {"guide-board", "open-cmis-tck", "kontextual-cmis-compat"}
    assert PROFILES["guide-board"](run) == found


def test_the_failing_twin(tmp_path: Path) -> None:
    found = read(guide_board.write(tmp_path, failing=True, awkward=True, stdout_size=100))
    assert found.metadata["result_status"] == "infrastructure_error"
    assert found.metadata["evidence_counts"] == {"infrastructure_error": 1, "pass": 1, "warning": 1}
    assert found.metadata["finding_counts"]["infrastructure_error"] == 3


def test_an_older_run_with_nothing_but_the_eight_contract_files(run: Path) -> None:
    for name in OPTIONAL:
        (run / name).unlink()
    for field in ("source_commits", "finding_counts"):
        forget(run, field)
    found = read(run)
    assert found.metadata["source_commits"] == {}
    assert found.metadata["finding_counts"] == {"warning": 2}


def test_commits_are_taken_from_the_lock_where_the_run_does_not_tell_them(run: Path) -> None:
    commit = json.loads((run / "run.json").read_text())["source_commits"]["open-cmis-tck"]
    forget(run, "source_commits")
    assert read(run).metadata["source_commits"] == {"open-cmis-tck": commit}


def test_every_missing_and_malformed_file_is_named_at_once(run: Path) -> None:
    (run / "plan.json").unlink()
    (run / "reports/report.md").unlink()
    (run / "normalized/mappings.json").unlink()
    (run / "normalized/mappings.json").mkdir()
    (run / "retention-summary.json").write_text('{"summary_days": 365,\n')
    (run / "sources.lock.json").write_bytes(b"\xff{}")
    (run / "exports/export-manifest.json").write_text("[" * 100_000)
    (run / "normalized/findings.json").write_text("7")
    assert sorted(faults(run)) == [
        "exports/export-manifest.json: is JSON nested too deeply",
        "normalized/findings.json: holds no list of objects, neither itself nor as its field findings",
        "normalized/mappings.json: is not a file",
        "plan.json: is missing",
        "reports/report.md: is missing",
        "retention-summary.json: is not JSON: Expecting property name enclosed in double quotes at line 2, column 1",
        "sources.lock.json: is not UTF-8 (byte 0)",
    ]


@pytest.mark.parametrize("name", REQUIRED)
def test_each_contract_file_is_needed(run: Path, name: str) -> None:
    (run / name).unlink()
    assert f"{name}: is missing" in faults(run)


def test_a_directory_that_is_no_run(tmp_path: Path) -> None:
    assert faults(tmp_path) == [f"{name}: is missing" for name in REQUIRED]


def test_evidence_may_stand_in_a_field(run: Path) -> None:
    change(run / "normalized/evidence.json", lambda items: {"evidence": items})
    assert read(run).metadata["evidence_counts"] == {"pass": 1, "warning": 2}


def test_evidence_is_held_against_its_schema(run: Path) -> None:
    def spoil(items: list[dict[str, Any]]) -> None:
        items[0]["result"] = "perfect"
        items[1]["run_id"] = "run-other"
        items[1]["colour"] = "red"
        del items[2]["facts"]

    change(run / "normalized/evidence.json", spoil)
    assert faults(run) == [
        "normalized/evidence.json: item 0 has a result that evidence does not have: 'perfect'",
        "normalized/evidence.json: item 1 has a field that evidence does not have: colour",
        "normalized/evidence.json: item 1 is of another run: run_id is 'run-other', not 'run-20260513T210255Z'",
        "normalized/evidence.json: item 2 lacks facts",
    ]


def test_faults_of_one_file_are_bounded(run: Path) -> None:
    change(run / "normalized/evidence.json", lambda _: [{}] * 1000)
    assert len(faults(run)) == 10


def test_files_of_another_run_are_noticed(run: Path) -> None:
    change(run / "plan.json", lambda plan: plan.update(run_id="run-other"))
    assert faults(run) == ["plan.json: is of another run: run_id is 'run-other', not 'run-20260513T210255Z'"]


def test_a_report_that_the_run_names_must_be_there(run: Path) -> None:
    change(run / "run.json", lambda told: told["report_paths"].append("reports/gone.md"))
    assert faults(run) == ["reports/gone.md: is missing, but the run names it in report_paths"]


def test_what_nobody_tells_is_missing(run: Path) -> None:
    for name in ("run.json", "plan.json", "reports/assessment-package.json", "reports/submission-package.json"):
        change(run / name, lambda _: {})
    found = faults(run)
    for field in ("run_id", "target_profile_ref", "assessment_profile_ref", "result_status"):
        assert f"run.json: {field} is missing" in found


@pytest.mark.parametrize("run_id", ["a/b", ".."])
def test_a_run_id_must_be_able_to_name_a_package(run: Path, run_id: str) -> None:
    change(run / "run.json", lambda told: told.update(run_id=run_id))
    assert f"run.json: run_id {run_id!r} cannot name a package" in faults(run)


@pytest.mark.parametrize("days", [0, -1, True, "30", None])
def test_retention_is_in_days(run: Path, days: object) -> None:
    change(run / "retention-summary.json", lambda told: told.update(raw_artifact_days=days))
    assert faults(run) == ["retention-summary.json: raw_artifact_days is no number of days"]


@pytest.mark.parametrize(
    ("days", "name"),
    [
        (7, "transient"),
        (8, "raw-evidence"),
        (30, "raw-evidence"),
        (365, "summary-evidence"),
        (7 * 365 + 2, "release-evidence"),
        (4000, "permanent-record"),
    ],
)
def test_the_class_keeps_at_least_as_long_as_the_run_asks(days: int, name: str) -> None:
    assert retention_class(days) == name


def test_values_of_any_type_are_survived(run: Path) -> None:
    forget(run, "source_commits")
    change(run / "sources.lock.json", lambda lock: lock.update(extensions=7))
    change(run / "run.json", lambda told: told.update(report_paths=[["reports/report.md"]], source_commits={"a": 1}))
    change(run / "normalized/evidence.json", lambda items: items[0].update(result=["pass"]))
    assert sorted(faults(run)) == [
        "['reports/report.md']: is missing, but the run names it in report_paths",
        "normalized/evidence.json: item 0 has a result that evidence does not have: ['pass']",
        "run.json: source_commits does not map names to commits",
    ]
