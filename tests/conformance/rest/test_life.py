"""The whole life of a package by REST alone."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.conformance.rest.conftest import account
from tests.conformance.rest.rest import Rest
from tests.services.server import Server

FILES = {"run.json": b'{"result":"pass"}', "logs/trace 1.txt": b"line\n" * 1000, "report/index.html": b"<h1>42</h1>"}


@pytest.fixture(scope="module")
def brief_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose transient packages may go after a second."""
    running = Server.start(tmp_path_factory.mktemp("brief"), workers=1)
    root = Rest(running.registry_url, running.access_key, running.secret_key)
    root.call("PATCH", "/retention-classes/transient", content={"term": "PT1S"})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def someone(brief_server: Server) -> Rest:
    rest = account(brief_server, "someone")
    rest.call("POST", "/repositories", status=201, content={"name": "evidence"})
    return rest


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def create(rest: Rest, name: str, retention_class: str) -> str:
    wanted = {
        "repository": "evidence",
        "name": name,
        "metadata": {"run_id": name, "target": {"name": "t1"}},
        "labels": {"team": "cmis"},
        "producer": "guide-board",
        "retention_class": retention_class,
    }
    made = rest.call("POST", "/packages", status=201, content=wanted)
    assert (made["status"], made["revision"], made["metadata"]) == ("created", 0, wanted["metadata"])
    assert made["expires_at"] is not None, "the term counts from the creation until it counts from finalization"
    for path, body in FILES.items():
        headers = {"Content-Type": "text/x-log"}
        rest.call(
            "PUT",
            f"/packages/{made['id']}/files/{path.replace(' ', '%20')}",
            status=201,
            body=body,
            headers=headers,
        )
    return str(made["id"])


def test_from_creation_to_deletion_and_back(someone: Rest) -> None:
    package_id = create(someone, "run-1", "transient")
    path = f"/packages/{package_id}"
    fill_and_finalize(someone, path)
    amend(someone, path)
    hold(someone, package_id)
    delete_and_restore(someone, package_id)
    assert_history(someone, path)


def fill_and_finalize(someone: Rest, path: str) -> None:
    filled = someone.call("GET", path)
    assert (filled["status"], filled["file_count"]) == ("uploading", 3)
    assert filled["size"] == sum(map(len, FILES.values()))
    changed = someone.call("PATCH", path, content={"metadata": {"target": {"profile": "p"}, "run_id": None}})
    assert changed["metadata"] == {"target": {"name": "t1", "profile": "p"}}

    sums = "".join(f"{sha256(body)}  {name}\n" for name, body in FILES.items()).encode()
    wrong = sums.replace(b"run.json", b"run2.json")
    as_text = {"Content-Type": "text/plain"}
    refusal = someone.refused("POST", f"{path}/finalize", "sums_differ", body=wrong, headers=as_text)
    assert refusal["differences"] == {"missing": ["run2.json"], "unlisted": ["run.json"], "mismatched": []}
    frozen = someone.call("POST", f"{path}/finalize", body=sums, headers=as_text)
    assert (frozen["status"], frozen["revision"], frozen["amending"]) == ("finalized", 1, False)
    assert someone.call("POST", f"{path}/finalize") == frozen, "finalizing again changes nothing"

    manifest = someone.send("GET", f"{path}/manifest")
    assert sha256(manifest.body) == frozen["manifest_sha256"]
    told = someone.call("GET", f"{path}/manifest")
    assert {file["path"]: file["sha256"] for file in told["files"]} == {n: sha256(b) for n, b in FILES.items()}
    assert told["metadata"] == changed["metadata"]
    assert sorted(someone.call("GET", f"{path}/SHA256SUMS").splitlines()) == sorted(sums.splitlines())


def amend(someone: Rest, path: str) -> None:
    """What is frozen is frozen, until it is amended; then files are added, and none changes."""
    frozen, manifest = someone.call("GET", path), someone.send("GET", f"{path}/manifest")
    someone.refused("PUT", f"{path}/files/late.txt", "protected", body=b"late")
    someone.refused("PUT", f"{path}/files/run.json?replace=true", "protected", body=b"other")
    someone.refused("DELETE", f"{path}/files/run.json", "protected")
    someone.refused("PATCH", path, "package_state", content={"metadata": {"late": True}})

    assert someone.call("POST", f"{path}/amend")["amending"]
    someone.call("PUT", f"{path}/files/scorecard.json", status=201, body=b"{}")
    someone.refused("PUT", f"{path}/files/run.json?replace=true", "protected", body=b"other")
    second = someone.call("POST", f"{path}/finalize")
    assert (second["revision"], second["file_count"]) == (2, 4)
    first, amended = someone.call("GET", f"{path}/revisions")["items"]
    assert amended["previous_sha256"] == first["manifest_sha256"] == frozen["manifest_sha256"]
    assert someone.send("GET", f"{path}/manifest?revision=1").body == manifest.body


def hold(someone: Rest, package_id: str) -> None:
    """Retention is over after a second; a hold keeps the package for all that."""
    path = f"/packages/{package_id}"
    wanted = {"package_id": package_id, "name": "litigation", "reason": "case 7 needs it", "case_ref": "case-7"}
    placed = someone.call("POST", "/holds", status=201, content=wanted)
    assert [one["id"] for one in someone.call("GET", f"{path}/retention")["holds"]] == [placed["id"]]
    time.sleep(1.1)
    judged = someone.call("GET", f"{path}/eligibility")
    assert (judged["eligible"], judged["eligible_at"]) == (False, None)
    assert [reason["hold"] for reason in judged["reasons"]] == ["litigation"], "retention is over, the hold is not"
    refusal = someone.refused("DELETE", f"{path}?reason=done", "protected")
    assert [(reason["kind"], reason["case_ref"]) for reason in refusal["reasons"]] == [("hold", "case-7")]
    assert package_id not in planned(someone)

    released = someone.call("POST", f"/holds/{placed['id']}/release", content={"reason": "case closed"})
    assert (released["release_reason"], released["released_by"]) == ("case closed", "someone")
    assert [one["id"] for one in someone.items(f"/holds?package_id={package_id}&active=false")] == [placed["id"]]


def delete_and_restore(someone: Rest, package_id: str) -> None:
    path = f"/packages/{package_id}"
    finalized = someone.call("GET", path)
    assert someone.call("GET", f"{path}/eligibility") == {
        "package_id": package_id,
        "repository": "evidence",
        "name": "run-1",
        "eligible": True,
        "reasons": [],
        "eligible_at": None,
    }
    assert planned(someone)[package_id]["file_count"] == 4

    assert someone.call("DELETE", f"{path}?reason=done")["status"] == "deleted"
    someone.refused("GET", f"{path}/files/run.json", "not_found")
    assert package_id not in [one["id"] for one in someone.items("/packages")]
    assert [one["id"] for one in someone.items("/packages?status=deleted")] == [package_id]
    restored = someone.call("POST", f"{path}/restore")
    assert (restored["status"], restored["manifest_sha256"]) == ("finalized", finalized["manifest_sha256"])
    assert someone.call("GET", f"{path}/files/run.json") == FILES["run.json"]


def assert_history(someone: Rest, path: str) -> None:
    done = [entry["action"] for entry in reversed(someone.items(f"{path}/history")) if entry["outcome"] == "done"]
    assert [action for action in done if not action.startswith("file.")] == [
        "package.create",
        "package.update",
        "package.finalize",
        "package.amend",
        "package.finalize",
        "hold.place",
        "hold.release",
        "package.delete",
        "package.restore",
    ]
    assert done.count("file.put") == 4
    denied = [e for e in someone.items(f"{path}/history?limit=2") if e["outcome"] == "denied"]
    assert [entry["action"] for entry in denied] == [
        "package.delete",
        "file.put",
        "file.delete",
        "file.put",
        "file.put",
    ]
    assert {entry["actor"] for entry in denied} == {"someone"}
    assert {entry["access_key"] for entry in denied} == {someone.access_key}


def planned(rest: Rest) -> dict[str, dict[str, object]]:
    """The packages of the deletion plan, by their ids."""
    return {one["package_id"]: one for one in rest.items("/reports/deletion-plan?repository=evidence&limit=1")}


def test_retention_only_grows(someone: Rest) -> None:
    package_id = create(someone, "run-2", "raw-evidence")
    path = f"/packages/{package_id}"
    someone.call("POST", f"{path}/finalize")
    change = {"retention_class": "transient", "reason": "space"}
    refusal = someone.refused("POST", f"{path}/retention/change-class", "invalid_request", content=change)
    assert refusal["errors"][0]["field"] == "retention_class"
    assert "retention only moves later" in refusal["detail"]
    before = datetime.fromisoformat(someone.call("GET", path)["expires_at"])
    extended = someone.call("POST", f"{path}/retention/extend", content={"duration": "P10D", "reason": "audit"})
    after = datetime.fromisoformat(extended["expires_at"])
    assert (after - before).days == 10
    until = after.replace(year=after.year + 1).isoformat()
    extended = someone.call("POST", f"{path}/retention/extend", content={"until": until, "reason": "audit"})
    assert datetime.fromisoformat(extended["expires_at"]) == datetime.fromisoformat(until)

    for sooner in (before.isoformat(), datetime.now(UTC).isoformat(), "2001-01-01T00:00:00Z"):
        wanted = {"until": sooner, "reason": "no"}
        refusal = someone.refused("POST", f"{path}/retention/extend", "invalid_request", content=wanted)
        assert [error["field"] for error in refusal["errors"]] == ["until"]
    change = {"retention_class": "permanent-record", "reason": "law"}
    kept = someone.call("POST", f"{path}/retention/change-class", content=change)
    assert (kept["retention_class"], kept["expires_at"]) == ("permanent-record", None)
    refusal = someone.refused("DELETE", f"{path}?reason=space", "protected")
    assert [reason["kind"] for reason in refusal["reasons"]] == ["retention"]
    [judged] = [one for one in someone.items("/reports/eligibility?limit=1") if one["package_id"] == package_id]
    assert (judged["eligible"], judged["eligible_at"]) == (False, None)


def test_a_class_shortened_shortens_nothing_that_is_there(brief_server: Server, someone: Rest) -> None:
    root = Rest(brief_server.registry_url, brief_server.access_key, brief_server.secret_key)
    package_id = create(someone, "run-3", "summary-evidence")
    someone.call("POST", f"/packages/{package_id}/finalize")
    before = someone.call("GET", f"/packages/{package_id}")["expires_at"]
    assert root.call("PATCH", "/retention-classes/summary-evidence", content={"term": "1d"})["term"] == "P1D"
    assert someone.call("GET", f"/packages/{package_id}")["expires_at"] == before
    classes = {one["name"]: one["term"] for one in someone.call("GET", "/retention-classes")["items"]}
    assert classes["summary-evidence"] == "P1D"
    assert classes["permanent-record"] is None
    someone.refused("PATCH", "/retention-classes/transient", "access_denied", content={"term": "P1D"})


def test_a_hold_on_one_file_version(someone: Rest) -> None:
    package_id = create(someone, "run-4", "transient")
    [file] = [one for one in someone.items(f"/packages/{package_id}/files?limit=1") if one["path"] == "run.json"]
    hold = {"version_id": file["version_id"], "name": "look", "reason": "someone looks at it"}
    placed = someone.call("POST", "/holds", status=201, content=hold)
    refusal = someone.refused("DELETE", f"/packages/{package_id}/files/run.json", "protected")
    assert refusal["reasons"][0]["hold"] == "look"
    someone.refused("PUT", f"/packages/{package_id}/files/run.json?replace=true", "protected", body=b"x")
    someone.refused("DELETE", f"/packages/{package_id}?reason=x", "protected")
    someone.call("POST", f"/holds/{placed['id']}/release", content={"reason": "seen"})
    someone.call("DELETE", f"/packages/{package_id}/files/run.json", status=204)
