"""Every operation beside files: what it asks of the registry, and how the answer is shown."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from registry.durations import DAY
from registry.errors import PreconditionFailedError, ProtectedError
from registry.manifest import Manifest, ManifestFile, encode_whole
from registry.model import (
    AuditEntry,
    AuditQuery,
    Delivery,
    Eligibility,
    Event,
    FileAttributes,
    Hold,
    HoldQuery,
    PackageQuery,
    PackageRevision,
    PackageStatus,
    Page,
    Protection,
    RepositoryUsage,
    RetentionClass,
    StorageUsage,
    Webhook,
)
from registry.sha256sums import Differences, SumsDifferError
from tests.unit.admin.rest import PACKAGE, Rest

AT = 1_800_000_000_000_000
SHOWN_AT = "2027-01-15T08:00:00.000000Z"
P = "/packages/pkg_0198f2c0"

HOLD = Hold("hold_1", "litigation", 1, PACKAGE.id, None, "Case 7 is open.", "case-7", "alice", AT)
ENTRY = AuditEntry(
    7, AT, "alice", "AKID", "127.0.0.1", "r1", "package.finalize", "done", "evidence", "run-42", PACKAGE.id, None, None
)
WEBHOOK = Webhook("wh_1", "https://hub.example/in", ["package.finalized"], None, "registry", AT, "alice")
DELIVERY = Delivery("d_1", "wh_1", 3, "package.finalized", "dead_letter", 9, None, 500, "the hub answered 500", None)
SHA = hashlib.sha256(b"").hexdigest()
MANIFEST, MANIFEST_DIGEST = encode_whole(
    Manifest(
        PACKAGE.id,
        "evidence",
        "run-42",
        1,
        None,
        {"run_id": "run-42"},
        {},
        None,
        "raw-evidence",
        AT,
        AT,
        "alice",
        [ManifestFile("b\\c", 0, SHA, "text/plain", "v2"), ManifestFile("a", 0, SHA, "text/plain", "v1")],
    )
)


def asked(room: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The last question, without the actor."""
    name, arguments, named = room.asked[-1]
    return name, arguments[1:], named


# --- repositories ---


async def test_repositories(rest: Rest) -> None:
    made = await rest.call(
        "POST",
        "/repositories",
        status=201,
        json={"name": "releases", "overwrite": "deny", "auto_finalize_after": "90m", "default_retention_class": None},
    )
    assert (made["name"], made["owner"], made["auto_finalize_after"]) == ("releases", "alice", "PT1H30M")
    listed = await rest.call("GET", "/repositories?limit=1")
    assert [item["name"] for item in listed["items"]] == ["evidence"]
    answer, content = await rest.send("GET", listed["next"])
    assert answer.status == 200
    assert [item["name"] for item in json.loads(content)["items"]] == ["releases"]
    assert json.loads(content)["next"] is None
    assert (await rest.call("GET", "/repositories?prefix=rel"))["items"][0]["name"] == "releases"
    changed = await rest.call("PATCH", "/repositories/releases", json={"package_depth": 2})
    assert (changed["package_depth"], changed["auto_finalize_after"]) == (2, "PT1H30M")
    await rest.call("DELETE", "/repositories/releases", status=204)
    await rest.refused("GET", "/repositories/releases", "not_found")


async def test_a_repository_changes_only_while_it_is_what_the_caller_saw(rest: Rest) -> None:
    seen, _ = await rest.send("GET", "/api/v1/repositories/evidence")
    condition = {"If-Match": seen.headers["ETag"]}
    await rest.call("PATCH", "/repositories/evidence", json={"package_depth": 3}, headers=condition)
    await rest.refused(
        "PATCH", "/repositories/evidence", "precondition_failed", json={"package_depth": 4}, headers=condition
    )
    await rest.call("PATCH", "/repositories/evidence", json={"package_depth": 4}, headers={"If-Match": "*"})


async def test_refusals_about_repositories(rest: Rest) -> None:
    await rest.refused("POST", "/repositories", "repository_exists", json={"name": "evidence"})
    problem = await rest.refused("POST", "/repositories", "invalid_request", json={"name": "UPPER"})
    assert "lower-case" in problem["detail"]
    await rest.call("PUT", f"{P}/files/f", data=b"x", status=201)
    await rest.refused("DELETE", "/repositories/evidence", "repository_not_empty")
    await rest.world.registry.repositories.create(rest.world.bob, "bobs-own")
    await rest.refused("GET", "/repositories/bobs-own", "access_denied")


async def test_uploads_in_progress(rest: Rest) -> None:
    for key in ("a/b", "a/b", "c"):
        await rest.world.registry.uploads.create(rest.world.alice, "evidence", key, FileAttributes())
    address: str | None = "/api/v1/repositories/evidence/uploads?limit=1"
    found = []
    while address:
        _, content = await rest.send("GET", address)
        page = json.loads(content)
        found += page["items"]
        address = page["next"]
    assert [upload["key"] for upload in found] == ["a/b", "a/b", "c"]
    assert len({upload["id"] for upload in found}) == 3
    await rest.call("DELETE", f"/repositories/evidence/uploads/{found[0]['id']}?key=a/b", status=204)
    assert len((await rest.call("GET", "/repositories/evidence/uploads"))["items"]) == 2
    await rest.refused("DELETE", f"/repositories/evidence/uploads/{found[0]['id']}?key=a/b", "not_found")
    await rest.refused("GET", "/repositories/evidence/uploads?after=nonsense", "invalid_request")


# --- packages ---


async def test_creating_a_package(rest: Rest) -> None:
    rest.rooms.packages.answers["create"] = PACKAGE
    made = await rest.call(
        "POST", "/packages", status=201, json={"repository": "evidence", "name": "run-42", "labels": {"a": "b"}}
    )
    assert made["id"] == PACKAGE.id
    assert asked(rest.rooms.packages) == (
        "create",
        ("evidence", "run-42"),
        {"metadata": {}, "labels": {"a": "b"}, "producer": None, "retention_class": None},
    )


async def test_a_package_is_shown_with_everything(rest: Rest) -> None:
    assert await rest.call("GET", P) == {
        "id": "pkg_0198f2c0",
        "repository": "evidence",
        "name": "run-42",
        "status": "uploading",
        "amending": False,
        "revision": 0,
        "size": 0,
        "file_count": 0,
        "metadata": {"run_id": "run-42"},
        "labels": {"team": "cmis"},
        "producer": None,
        "retention_class": "raw-evidence",
        "manifest_sha256": None,
        "created_at": SHOWN_AT,
        "created_by": "alice",
        "updated_at": SHOWN_AT,
        "finalized_at": None,
        "expires_at": None,
        "deleted_at": None,
    }


async def test_every_filter_reaches_the_registry(rest: Rest) -> None:
    rest.rooms.packages.answers["list"] = Page([PACKAGE])
    times = ["created", "finalized", "expires"]
    bounds = "&".join(f"{time}_{side}={SHOWN_AT}" for time in times for side in ("after", "before"))
    await rest.call(
        "GET",
        "/packages?repository=evidence&name=n&name_prefix=p&status=finalized&producer=guide-board"
        "&retention_class=transient&min_size=1&max_size=2&min_file_count=3&max_file_count=4"
        f"&metadata.run.id=run-42&metadata.x=true&labels.team=cmis&{bounds}",
    )
    expected = PackageQuery(
        repository="evidence",
        name="n",
        name_prefix="p",
        status=(PackageStatus.FINALIZED,),
        producer="guide-board",
        labels={"team": "cmis"},
        metadata={"run.id": "run-42", "x": "true"},
        retention_class="transient",
        created_after=AT,
        created_before=AT,
        finalized_after=AT,
        finalized_before=AT,
        expires_after=AT,
        expires_before=AT,
        min_size=1,
        max_size=2,
        min_file_count=3,
        max_file_count=4,
    )
    assert asked(rest.rooms.packages) == ("list", (expected,), {"after": None, "limit": 100})
    assert all(value is not None for value in asdict(expected).values()), "this test leaves out no filter"


async def test_changing_a_package(rest: Rest) -> None:
    rest.rooms.packages.answers["update"] = replace(PACKAGE, metadata={})
    changes = {"metadata": {"run_id": None}, "labels": {"team": None}}
    headers = {"Content-Type": "application/merge-patch+json"}
    await rest.call("PATCH", P, data=json.dumps(changes), headers=headers)
    assert asked(rest.rooms.packages) == (
        "update",
        ("pkg_0198f2c0",),
        {**changes, "producer": None, "change_producer": False, "expected": None},
    )
    await rest.call("PATCH", P, json={"producer": None})
    assert asked(rest.rooms.packages)[2]["change_producer"] is True


async def test_a_package_changes_only_while_it_is_what_the_caller_saw(rest: Rest) -> None:
    seen, _ = await rest.send("GET", f"/api/v1{P}")
    condition = {"If-Match": seen.headers["ETag"]}
    rest.rooms.packages.answers["update"] = replace(PACKAGE, producer="x")
    await rest.call("PATCH", P, json={"producer": "x"}, headers=condition)
    assert asked(rest.rooms.packages)[2]["expected"] == PACKAGE
    rest.rooms.packages.answers["update"] = PreconditionFailedError("If-Match")
    await rest.refused("PATCH", P, "precondition_failed", json={"producer": "x"}, headers=condition)
    rest.rooms.packages.answers["get"] = replace(PACKAGE, producer="y")
    await rest.refused("PATCH", P, "precondition_failed", json={"producer": "x"}, headers=condition)


async def test_finalizing(rest: Rest) -> None:
    rest.rooms.packages.answers["finalize"] = replace(PACKAGE, status=PackageStatus.FINALIZED, finalized_at=AT)
    assert (await rest.call("POST", f"{P}/finalize"))["finalized_at"] == SHOWN_AT
    assert asked(rest.rooms.packages) == ("finalize", ("pkg_0198f2c0",), {"sums": None})
    await rest.call(
        "POST", f"{P}/finalize", data=f"{SHA}  ./a\n".encode(), headers={"Content-Type": "text/plain; charset=utf-8"}
    )
    assert asked(rest.rooms.packages)[2] == {"sums": {"a": SHA}}


async def test_a_list_that_is_wrong_is_explained_line_by_line(rest: Rest) -> None:
    plain = {"Content-Type": "text/plain"}
    problem = await rest.refused("POST", f"{P}/finalize", "invalid_request", data=b"a\nb\n", headers=plain)
    assert [error["field"] for error in problem["errors"]] == ["line 1", "line 2"]
    rest.rooms.packages.answers["finalize"] = SumsDifferError(Differences(("gone",), ("new",), ()))
    problem = await rest.refused("POST", f"{P}/finalize", "sums_differ", data=f"{SHA}  gone".encode(), headers=plain)
    assert problem["differences"] == {"missing": ["gone"], "unlisted": ["new"], "mismatched": []}


async def test_amending_deleting_and_restoring(rest: Rest) -> None:
    for name in ("amend", "delete", "restore"):
        rest.rooms.packages.answers[name] = PACKAGE
    await rest.call("POST", f"{P}/amend")
    assert asked(rest.rooms.packages) == ("amend", ("pkg_0198f2c0",), {})
    await rest.call("DELETE", f"{P}?reason=no%20longer%20needed")
    assert asked(rest.rooms.packages) == ("delete", ("pkg_0198f2c0",), {"reason": "no longer needed"})
    await rest.call("POST", f"{P}/restore")
    assert asked(rest.rooms.packages) == ("restore", ("pkg_0198f2c0",), {})
    rest.rooms.packages.answers["delete"] = ProtectedError([Protection("hold", "held by Case 7", hold="litigation")])
    problem = await rest.refused("DELETE", f"{P}?reason=x", "protected")
    assert problem["reasons"][0]["hold"] == "litigation"
    await rest.refused("DELETE", P, "invalid_request")


async def test_manifest_and_sums(rest: Rest) -> None:
    rest.rooms.packages.answers["manifest"] = MANIFEST
    answer, content = await rest.send("GET", f"/api/v1{P}/manifest?revision=1")
    assert content == MANIFEST
    assert answer.headers["ETag"] == f'"{MANIFEST_DIGEST}"'
    assert asked(rest.rooms.packages) == ("manifest", ("pkg_0198f2c0",), {"revision": 1})
    assert (await rest.call("GET", f"{P}/manifest"))["package"]["revision"] == 1
    assert asked(rest.rooms.packages)[2] == {"revision": None}
    await rest.call("GET", f"{P}/manifest", status=304, headers={"If-None-Match": answer.headers["ETag"]})
    assert await rest.call("GET", f"{P}/SHA256SUMS") == f"{SHA}  a\n\\{SHA}  b\\\\c\n".encode()


async def test_revisions_files_and_history(rest: Rest) -> None:
    rest.rooms.packages.answers["revisions"] = [PackageRevision(1, SHA, None, 10, 2, AT, "alice")]
    assert (await rest.call("GET", f"{P}/revisions"))["items"][0]["finalized_at"] == SHOWN_AT
    version = await rest.world.registry.files.put(
        rest.world.alice, "evidence", "run-42/dir/f", rest.world.bytes(b"x"), FileAttributes()
    )
    rest.rooms.packages.answers["files"] = Page([version], "dir/f")
    page = await rest.call("GET", f"{P}/files?limit=1")
    assert (page["items"][0]["path"], page["items"][0]["version_id"]) == ("dir/f", version.id)
    rest.rooms.audit.answers["query"] = Page([ENTRY])
    assert (await rest.call("GET", f"{P}/history"))["items"][0]["action"] == "package.finalize"
    assert asked(rest.rooms.audit)[1] == (AuditQuery(package_id="pkg_0198f2c0"),)


# --- retention and holds ---


async def test_retention(rest: Rest) -> None:
    rest.rooms.holds.answers["list"] = Page([HOLD])
    shown = {**asdict(HOLD), "placed_at": SHOWN_AT}
    del shown["repository_id"]
    assert await rest.call("GET", f"{P}/retention") == {
        "retention_class": "raw-evidence",
        "expires_at": None,
        "holds": [shown],
    }
    rest.rooms.retention.answers |= {"extend": PACKAGE, "change_class": PACKAGE}
    await rest.call("POST", f"{P}/retention/extend", json={"until": SHOWN_AT, "reason": "appeal"})
    assert asked(rest.rooms.retention) == (
        "extend",
        ("pkg_0198f2c0",),
        {"until": AT, "seconds": None, "reason": "appeal"},
    )
    await rest.call("POST", f"{P}/retention/extend", json={"duration": "30d", "reason": "appeal"})
    assert asked(rest.rooms.retention)[2] == {"until": None, "seconds": 30 * DAY, "reason": "appeal"}
    await rest.call("POST", f"{P}/retention/change-class", json={"retention_class": "release-evidence", "reason": "x"})
    assert asked(rest.rooms.retention) == ("change_class", ("pkg_0198f2c0", "release-evidence"), {"reason": "x"})


async def test_retention_classes(rest: Rest) -> None:
    rest.rooms.retention.answers["classes"] = [
        RetentionClass("transient", 7 * DAY, "short"),
        RetentionClass("permanent-record", None, "for ever"),
    ]
    assert (await rest.call("GET", "/retention-classes"))["items"] == [
        {"name": "transient", "term": "P7D", "description": "short"},
        {"name": "permanent-record", "term": None, "description": "for ever"},
    ]
    rest.rooms.retention.answers["set_class_default"] = RetentionClass("transient", None)
    await rest.call("PATCH", "/retention-classes/transient", json={"term": None})
    assert asked(rest.rooms.retention) == ("set_class_default", ("transient", None), {})
    await rest.call("PATCH", "/retention-classes/transient", json={"term": "P1W"})
    assert asked(rest.rooms.retention) == ("set_class_default", ("transient", 7 * DAY), {})


async def test_holds(rest: Rest) -> None:
    rest.rooms.holds.answers |= {"place": HOLD, "release": replace(HOLD, released_at=AT), "list": Page([HOLD])}
    await rest.call(
        "POST", "/holds", status=201, json={"package_id": PACKAGE.id, "name": "litigation", "reason": "Case 7 is open."}
    )
    assert asked(rest.rooms.holds) == (
        "place",
        (),
        {
            "package_id": PACKAGE.id,
            "version_id": None,
            "name": "litigation",
            "reason": "Case 7 is open.",
            "case_ref": None,
        },
    )
    await rest.call("GET", "/holds?repository=evidence&version_id=v&name=n&case_ref=c&active=true&package_id=pkg_1")
    assert asked(rest.rooms.holds)[1] == (HoldQuery("evidence", "pkg_1", "v", "n", "c", active=True),)
    assert (await rest.call("POST", "/holds/hold_1/release", json={"reason": "closed"}))["released_at"] == SHOWN_AT
    assert asked(rest.rooms.holds) == ("release", ("hold_1",), {"reason": "closed"})


async def test_reports(rest: Rest) -> None:
    found = Eligibility(
        PACKAGE, eligible=False, reasons=(Protection("retention", "retained", until=AT),), eligible_at=AT
    )
    rest.rooms.retention.answers |= {"eligibility": found, "eligibility_report": Page([found])}
    one = await rest.call("GET", f"{P}/eligibility")
    assert (one["eligible"], one["eligible_at"], one["reasons"][0]["until"]) == (False, SHOWN_AT, SHOWN_AT)
    assert (await rest.call("GET", "/reports/eligibility?repository=evidence"))["items"] == [one]
    assert asked(rest.rooms.retention) == ("eligibility_report", ("evidence",), {"after": None, "limit": 100})
    rest.rooms.packages.answers["deletion_plan"] = Page([PACKAGE], "next")
    planned = await rest.call("GET", "/reports/deletion-plan")
    assert planned["items"][0]["package_id"] == PACKAGE.id
    assert asked(rest.rooms.packages) == ("deletion_plan", (None,), {"after": None, "limit": 100})


# --- audit, events, operations ---


async def test_audit(rest: Rest) -> None:
    rest.rooms.audit.answers["query"] = Page([ENTRY])
    names = [name for name in asdict(AuditQuery()) if name not in ("since", "until", "repository", "package_id")]
    query = "&".join(f"{name}=x{name}" for name in names)
    await rest.call("GET", f"/audit?{query}&repository=evidence&package_id=pkg_1&since={SHOWN_AT}&until={SHOWN_AT}")
    expected = AuditQuery(
        **{name: f"x{name}" for name in names}, repository="evidence", package_id="pkg_1", since=AT, until=AT
    )
    assert asked(rest.rooms.audit)[1] == (expected,)


async def test_the_audit_is_exported_whole(rest: Rest) -> None:
    pages = {None: Page([ENTRY, replace(ENTRY, id=8)], "8"), "8": Page([replace(ENTRY, id=9)])}

    async def query(actor: object, query: AuditQuery, *, after: str | None, limit: int) -> Page[AuditEntry]:
        assert (query.action, limit) == ("package.finalize", 2)
        return pages[after]

    rest.rooms.audit = type("Audit", (), {"query": staticmethod(query)})
    lines = await rest.call("GET", "/audit/export?action=package.finalize&limit=2")
    assert [json.loads(line)["id"] for line in lines.splitlines()] == [7, 8, 9]
    pages[None] = Page([])
    assert await rest.call("GET", "/audit/export?action=package.finalize&limit=2") == b""


async def test_events(rest: Rest) -> None:
    rest.rooms.events.answers["list"] = Page([Event(1, AT, "package.created", "evidence", PACKAGE.id, {"a": 1})])
    await rest.call("GET", "/events?type=package.created&repository=evidence&package_id=pkg_1&after=3")
    assert asked(rest.rooms.events)[2] == {
        "type": "package.created",
        "repository": "evidence",
        "package_id": "pkg_1",
        "after": "3",
        "limit": 100,
    }


async def test_webhooks(rest: Rest) -> None:
    room = rest.rooms.webhooks
    room.answers |= {
        "create": (WEBHOOK, "whsec_c2VjcmV0"),
        "get": WEBHOOK,
        "list": Page([WEBHOOK]),
        "delete": None,
        "test": DELIVERY,
        "deliveries": Page([DELIVERY]),
        "retry": DELIVERY,
    }
    once = {"Idempotency-Key": "k"}
    made = await rest.call("POST", "/webhooks", status=201, json={"url": "https://hub.example/in"}, headers=once)
    again, _ = await rest.send("POST", "/api/v1/webhooks", json={"url": "https://hub.example/in"}, headers=once)
    assert "Idempotency-Replayed" not in again.headers, "an answer with a secret is not kept"
    assert made["secret"] == "whsec_c2VjcmV0"
    assert asked(room) == (
        "create",
        ("https://hub.example/in",),
        {"events": (), "repository": None, "payload": "registry"},
    )
    assert "secret" not in await rest.call("GET", "/webhooks/wh_1")
    await rest.call("GET", "/webhooks")
    await rest.call("POST", "/webhooks/wh_1/test", status=202)
    await rest.call("GET", "/webhooks/wh_1/deliveries?status=dead_letter")
    assert asked(room) == ("deliveries", ("wh_1",), {"status": "dead_letter", "after": None, "limit": 100})
    await rest.call("POST", "/webhooks/wh_1/deliveries/d_1/retry", status=202)
    assert asked(room) == ("retry", ("wh_1", "d_1"), {})
    await rest.call("DELETE", "/webhooks/wh_1", status=204)


@pytest.mark.parametrize(("failure", "healthy"), [(None, True), ("The disk is full.", False)])
async def test_storage(rest: Rest, failure: str | None, healthy: bool) -> None:
    checks = {"database": None, "store": failure}
    rest.rooms.storage.answers["health"] = checks
    assert await rest.call("GET", "/storage/health") == {"healthy": healthy, "checks": checks}
    rest.rooms.storage.answers["usage"] = StorageUsage(1, None, 2, 3, [RepositoryUsage("evidence", 4, 5)])
    assert (await rest.call("GET", "/storage/usage"))["repositories"] == [{"name": "evidence", "files": 4, "size": 5}]
