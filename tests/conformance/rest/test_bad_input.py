"""Bad input: every answer names the field that is wrong, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.rest.rest import Rest


def fields(problem: dict[str, Any]) -> list[str]:
    return [error["field"] for error in problem["errors"]]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("..", "no segment"),
        (".", "no segment"),
        (".artifact", "no segment"),
        ("a/../b", "segment"),
        ("a/b", "1 segment"),
        ("/a", "segment"),
        ("a/", "segment"),
        ("tab\there", "control character"),
        ("nul\0", "control character"),
        ("x" * 600, "at most 512 bytes"),
        ("é" * 300, "at most 512 bytes"),
        ("x" * 2000, "longer than"),
        ("", "empty"),
    ],
)
def test_a_name_no_package_can_have(rest: Rest, repository: str, name: str, told: str) -> None:
    wanted = {"repository": repository, "name": name}
    problem = rest.refused("POST", "/packages", "invalid_request", content=wanted)
    assert fields(problem) == ["name"]
    assert told in problem["detail"]


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"retention_class": "unheard-of"}, "retention_class"),
        ({"retention_class": "Not A Class"}, "retention_class"),
        ({"metadata": []}, "metadata"),
        ({"metadata": None}, "metadata"),
        ({"metadata": {"large": "x" * 300_000}}, "metadata"),
        ({"metadata": {"a": [{"nul": "\0"}]}}, "metadata.a[0].nul"),
        ({"metadata": {"big": 10**400}}, "metadata"),
        ({"metadata": {"big": [1e200]}}, "metadata"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"labels": {"a": "x" * 1000}}, "labels.a"),
        ({"labels": {str(n): "" for n in range(65)}}, "labels"),
        ({"labels": {"": "x"}}, "labels"),
        ({"producer": ""}, "producer"),
        ({"producer": "x" * 1000}, "producer"),
        ({"producer": 3}, "producer"),
        ({"nmae": "x"}, "nmae"),
    ],
)
def test_a_description_that_cannot_be(rest: Rest, repository: str, part: dict[str, Any], field: str) -> None:
    wanted = {"repository": repository, "name": "run-1", **part}
    problem = rest.refused("POST", "/packages", "invalid_request", content=wanted)
    assert fields(problem) == [field]
    assert rest.items(f"/packages?repository={repository}") == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "missing"),
        (b"{", "line 1, column 2"),
        (b'{"name": NaN}', "NaN"),
        (b'{"name": "a", "name": "b"}', "twice"),
        (b'{"name": "\xff"}', "UTF-8"),
        (b'{"name": "\\ud800"}', "surrogate"),
        (b"[" * 100_000, "nested"),
        (b"9" * 10_000, "JSON"),
        (b"[]", "type object"),
    ],
)
def test_what_is_not_json(rest: Rest, body: bytes, told: str) -> None:
    headers = {"Content-Type": "application/json"}
    problem = rest.refused("POST", "/packages", "invalid_request", body=body, headers=headers)
    assert told in problem["detail"]
    assert len(problem["detail"]) < 500


def test_everything_that_is_wrong_is_told_at_once(rest: Rest) -> None:
    problem = rest.refused(
        "GET", "/packages?limit=0&status=done&created_after=yesterday&nonsense=1&min_size=x", "invalid_request"
    )
    assert sorted(fields(problem)) == ["created_after", "limit", "min_size", "nonsense", "status[0]"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"until": "2001-01-01T00:00:00Z", "reason": "x"}, "until"),
        ({"until": "tomorrow", "reason": "x"}, "until"),
        ({"until": "2033-01-31T00:00:00", "reason": "x"}, "until"),
        ({"duration": "-P1D", "reason": "x"}, "duration"),
        ({"duration": "P0D", "reason": "x"}, "duration"),
        ({"duration": "90", "reason": "x"}, "duration"),
        ({"duration": "P2000Y", "reason": "x"}, "duration"),
        ({"duration": "P1D"}, "reason"),
        ({"duration": "P1D", "reason": "  "}, "reason"),
        ({"reason": "x"}, "body"),
        ({"duration": "P1D", "until": "2033-01-31T00:00:00Z", "reason": "x"}, "body"),
    ],
)
def test_an_extension_that_cannot_be(rest: Rest, finalized: str, wanted: dict[str, str], field: str) -> None:
    problem = rest.refused("POST", f"{finalized}/retention/extend", "invalid_request", content=wanted)
    assert fields(problem) == [field]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"name": "litigation"}, "reason"),
        ({"name": "litigation", "reason": ""}, "reason"),
        ({"name": "litigation", "reason": " \n"}, "reason"),
        ({"name": "not a name", "reason": "x"}, "name"),
        ({"name": "x" * 200, "reason": "x"}, "name"),
        ({"name": "x", "reason": "x" * 3000}, "reason"),
        ({"name": "x", "reason": "x", "case_ref": "x" * 300}, "case_ref"),
    ],
)
def test_a_hold_that_cannot_be(rest: Rest, package: str, wanted: dict[str, str], field: str) -> None:
    wanted = {"package_id": package.removeprefix("/packages/"), **wanted}
    assert fields(rest.refused("POST", "/holds", "invalid_request", content=wanted)) == [field]


def test_a_hold_on_nothing_or_on_two_things(rest: Rest, package: str) -> None:
    package_id = package.removeprefix("/packages/")
    for wanted in ({}, {"package_id": package_id, "version_id": "v"}):
        problem = rest.refused("POST", "/holds", "invalid_request", content={"name": "x", "reason": "x", **wanted})
        assert problem["errors"][0]["fix"] == "Give either package_id or version_id."
    for wanted in ({"package_id": "pkg_0"}, {"version_id": "0"}):
        rest.refused("POST", "/holds", "not_found", content={"name": "x", "reason": "x", **wanted})
    rest.refused("POST", "/holds/hold_0/release", "not_found", content={"reason": "x"})


def test_finalizing_nothing(rest: Rest, package: str) -> None:
    problem = rest.refused("POST", f"{package}/finalize", "unprocessable")
    assert "no files" in problem["detail"]


def test_a_list_of_digests_that_cannot_be(rest: Rest, package: str, put: Callable[..., Any]) -> None:
    put("a")
    as_text = {"Content-Type": "text/plain"}

    def finalize(listed: bytes, code: str) -> dict[str, Any]:
        return rest.refused("POST", f"{package}/finalize", code, body=listed, headers=as_text)

    malformed = finalize(b"nonsense\n" + b"0" * 64 + b"  a\nSHA256 (a) = " + b"0" * 64 + b"\n", "invalid_request")
    assert fields(malformed) == ["line 1", "line 3"]
    differing = finalize(b"0" * 64 + b"  a\n" + b"1" * 64 + b"  not/there\n", "sums_differ")
    assert differing["differences"]["missing"] == ["not/there"]
    assert [one["path"] for one in differing["differences"]["mismatched"]] == ["a"]
    assert rest.call("GET", package)["status"] == "uploading"


@pytest.mark.parametrize("key", ["nonsense", "finalize/x", "manifest.json", "../finalize"])
def test_a_key_of_the_registry_that_is_none(rest: Rest, package: str, key: str) -> None:
    problem = rest.refused("PUT", f"{package}/files/.artifact/{key}", "invalid_request", body=b"x")
    assert ".artifact/" in problem["detail"]
    assert "package.json, SHA256SUMS" in problem["detail"]


@pytest.mark.parametrize("path", ["x%00y", "x%0Ay", "x" * 1100, "%FF", "%ED%A0%80", "é" * 600])
def test_a_path_no_file_can_have(rest: Rest, package: str, path: str) -> None:
    path = path.encode().decode("latin-1") if path.isascii() else "%C3%A9" * 600
    answer = rest.send("PUT", f"{package}/files/{path}", body=b"x")
    assert rest.checked("PUT", f"{package}/files/{path}", answer)["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"package_depth": -1}, "package_depth"),
        ({"package_depth": 1.5}, "package_depth"),
        ({"overwrite": "maybe"}, "overwrite"),
        ({"default_retention_class": "unheard-of"}, "default_retention_class"),
        ({"auto_finalize_after": "soon"}, "auto_finalize_after"),
        ({"auto_finalize_after": "P900Y"}, "auto_finalize_after"),
        ({"expire_automatically": "yes"}, "expire_automatically"),
        ({"versioning": "enabled"}, "versioning"),
        ({}, "body"),
    ],
)
def test_settings_that_cannot_be(rest: Rest, repository: str, settings: dict[str, Any], field: str) -> None:
    problem = rest.refused("PATCH", f"/repositories/{repository}", "invalid_request", content=settings)
    assert fields(problem) == [field]


def test_a_depth_cannot_change_below_packages(rest: Rest, repository: str, package: str) -> None:
    problem = rest.refused("PATCH", f"/repositories/{repository}", "unprocessable", content={"package_depth": 2})
    assert "while the repository is empty" in problem["detail"]
    rest.refused("DELETE", f"/repositories/{repository}", "repository_not_empty")
    assert package


@pytest.mark.parametrize("name", ["..", "ab", "Upper", "1.2.3.4", "x" * 64, "a_b"])
def test_a_name_no_repository_can_have(rest: Rest, name: str) -> None:
    problem = rest.refused("POST", "/repositories", "invalid_request", content={"name": name})
    assert fields(problem) == ["name"]


def test_a_webhook_that_cannot_be(rest: Rest, repository: str) -> None:
    for wanted, field in [
        ({}, "url"),
        ({"url": "ftp://x"}, "url"),
        ({"url": "http://user:password@host/"}, "url"),
        ({"url": "http://h/", "events": ["Nonsense"]}, "events[0]"),
        ({"url": "http://h/", "payload": "xml"}, "payload"),
        ({"url": "http://h/"}, "repository"),
    ]:
        problem = rest.refused("POST", "/webhooks", "invalid_request", content=wanted)
        assert fields(problem) == [field]
        assert "password" not in str(problem).replace("user, password and fragment", "")
    assert repository


def test_other_types_and_methods(rest: Rest, package: str) -> None:
    wanted = {"headers": {"Content-Type": "text/csv"}, "body": b"a,b"}
    problem = rest.refused("PATCH", package, "unsupported_media_type", **wanted)
    assert "application/json or application/merge-patch+json" in problem["detail"]
    answer = rest.send("POST", package)
    assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(",")) == {"GET", "HEAD", "PATCH", "DELETE"}


def test_a_revision_that_is_not_there(rest: Rest, package: str, put: Callable[..., Any]) -> None:
    rest.refused("GET", f"{package}/manifest", "package_state")
    put("a")
    rest.call("POST", f"{package}/finalize")
    problem = rest.refused("GET", f"{package}/manifest?revision=9", "invalid_request")
    assert fields(problem) == ["revision"]
    assert "1 to 1" in problem["detail"]
