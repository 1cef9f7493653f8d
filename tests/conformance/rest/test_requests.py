"""What every operation keeps to: pages, conditions on changes, requests that come twice."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from tests.conformance.rest.rest import Rest


def new(rest: Rest, repository: str, name: str, **described: Any) -> str:
    wanted = {"repository": repository, "name": name, **described}
    return str(rest.call("POST", "/packages", status=201, content=wanted)["id"])


def test_pages_hold_while_the_list_changes(rest: Rest, repository: str) -> None:
    made = [new(rest, repository, f"run-{number}") for number in range(7)]
    pages = rest.pages(f"/packages?repository={repository}&limit=3")
    first = next(pages)
    new(rest, repository, "in-between")
    rest.call("DELETE", f"/packages/{made[0]}?reason=test")
    rest_of_them = [item["id"] for page in pages for item in page]
    assert [item["id"] for item in first] + rest_of_them == made[:0:-1]


def test_pages_of_files(rest: Rest, package: str, put: Callable[..., Any]) -> None:
    names = sorted(["a", "a/b", "a-b", "é", "b/c", "zz"], key=str.encode)
    for name in names:
        put(quote(name))
    pages = list(rest.pages(f"{package}/files?limit=2"))
    assert [len(page) for page in pages] == [2, 2, 2]
    assert [file["path"] for page in pages for file in page] == names


def test_pages_of_repositories_and_of_uploads(rest: Rest, s3: Any, repository: str) -> None:
    known = [one["name"] for one in rest.items("/repositories?limit=1")]
    assert repository in known
    assert known == sorted(known)
    assert rest.items(f"/repositories?prefix={repository}")[0]["name"] == repository
    ids = [s3.create_multipart_upload(Bucket=repository, Key=key)["UploadId"] for key in ("run/a", "run/a", "run/b")]
    listed = rest.items(f"/repositories/{repository}/uploads?limit=1")
    assert [one["key"] for one in listed] == ["run/a", "run/a", "run/b"]
    assert {one["id"] for one in listed} == set(ids)
    assert [one["key"] for one in rest.items(f"/repositories/{repository}/uploads?prefix=run/b")] == ["run/b"]
    rest.call("DELETE", f"/repositories/{repository}/uploads/{ids[0]}?key=run/a", status=204)
    rest.refused("DELETE", f"/repositories/{repository}/uploads/{ids[0]}?key=run/a", "not_found")
    assert len(rest.items(f"/repositories/{repository}/uploads")) == 2


@pytest.mark.parametrize(
    "path", ["/packages", "/holds", "/reports/eligibility", "/reports/deletion-plan", "/webhooks", "/repositories"]
)
@pytest.mark.parametrize("after", ["x", "%00", "pkg_", "-1", "%F0%9F%98%80", "9999999999999999999999", "%ED%A0%80"])
def test_a_place_that_never_was_is_no_fault(rest: Rest, path: str, after: str) -> None:
    answer = rest.send("GET", f"{path}?after={after}")
    assert answer.status in (200, 400), answer.body
    rest.checked("GET", path, answer)


@pytest.mark.parametrize("path", ["/audit", "/events"])
@pytest.mark.parametrize("after", ["x", "%00", "-1", "9999999999999999999999", "1.5"])
def test_a_place_in_what_is_appended(root: Rest, path: str, after: str) -> None:
    answer = root.send("GET", f"{path}?after={after}")
    assert answer.status in (200, 400), answer.body
    root.checked("GET", path, answer)


def test_finding_packages(rest: Rest, repository: str) -> None:
    one = new(rest, repository, "run-1", metadata={"run_id": "r1", "n": 3, "ok": True, "deep": {"er": None}})
    two = new(rest, repository, "run-2", labels={"team": "a&b", "stage": "dev"}, producer="guide-board")
    three = new(rest, repository, "other", retention_class="transient", labels={"team": "c"})

    def found(query: str) -> set[str]:
        return {item["id"] for item in rest.items(f"/packages?repository={repository}&{query}")}

    assert found("") == {one, two, three}
    assert found("metadata.run_id=r1") == found("metadata.n=3") == found("metadata.ok=true") == {one}
    assert found("metadata.deep.er=null&metadata.run_id=r1") == {one}
    assert found("metadata.run_id=r2") == set()
    assert found("labels.team=a%26b") == found("producer=guide-board&labels.stage=dev") == {two}
    assert found("name=other") == found("retention_class=transient") == {three}
    assert found("name_prefix=run-") == {one, two}
    assert found("status=uploading") == set()
    assert found("status=created&status=finalized&min_file_count=0&max_size=0") == {one, two, three}
    assert found("created_before=2001-01-01T00:00:00Z") == set()
    assert found("created_after=2001-01-01T00:00:00Z&expires_after=2001-01-01T00:00:00Z") == {one, two, three}


def test_changes_on_what_was_read(rest: Rest, repository: str, package: str) -> None:
    for path, change in [(package, {"labels": {"a": "b"}}), (f"/repositories/{repository}", {"overwrite": "deny"})]:
        read = rest.send("GET", path)
        tag = read.headers["etag"]
        assert rest.send("GET", path, headers={"If-None-Match": tag}).status == 304
        changed = rest.send("PATCH", path, content=change, headers={"If-Match": tag})
        assert (changed.status, changed.headers["etag"] != tag) == (200, True)
        rest.refused("PATCH", path, "precondition_failed", content=change, headers={"If-Match": tag})
        rest.call("PATCH", path, content=change, headers={"If-Match": "*"})
        rest.refused("PATCH", path, "invalid_request", content=change, headers={"If-Match": "unquoted"})


def test_only_one_of_many_changes_of_the_same_version_is_done(rest: Rest, package: str) -> None:
    tag = rest.send("GET", package).headers["etag"]

    def change(number: int) -> int:
        return rest.send("PATCH", package, content={"labels": {"n": str(number)}}, headers={"If-Match": tag}).status

    with ThreadPoolExecutor(6) as threads:
        statuses = sorted(threads.map(change, range(6)))
    assert statuses == [200] + [412] * 5


def test_a_request_that_comes_twice(rest: Rest, stranger: Rest, repository: str) -> None:
    key = {"Idempotency-Key": f"key-{repository}"}
    wanted = {"repository": repository, "name": "run-1"}
    first = rest.send("POST", "/packages", content=wanted, headers=key)
    again = rest.send("POST", "/packages", content=wanted, headers=key)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.headers["etag"], again.headers["location"]) == (first.headers["etag"], first.headers["location"])
    problem = rest.refused("POST", "/packages", "unprocessable", content={**wanted, "name": "b"}, headers=key)
    assert "another request" in problem["detail"]
    stranger.refused("POST", "/packages", "access_denied", content=wanted, headers=key)
    rest.refused("POST", "/packages", "package_exists", content=wanted)


def test_many_at_once_with_one_key_do_it_once(rest: Rest, repository: str) -> None:
    wanted = {"repository": repository, "name": "run-1"}

    def post(_: int) -> int:
        return rest.send("POST", "/packages", content=wanted, headers={"Idempotency-Key": f"once-{repository}"}).status

    with ThreadPoolExecutor(6) as threads:
        statuses = set(threads.map(post, range(6)))
    assert 201 in statuses
    assert statuses <= {201, 409}
    assert len(rest.items(f"/packages?repository={repository}")) == 1


def test_two_finalizers_at_once(rest: Rest, package: str, put: Callable[..., Any]) -> None:
    put("a")
    with ThreadPoolExecutor(4) as threads:
        frozen = list(threads.map(lambda _: rest.call("POST", f"{package}/finalize"), range(4)))
    assert all(one == frozen[0] for one in frozen)
    assert len(rest.call("GET", f"{package}/revisions")["items"]) == 1


def test_webhooks(rest: Rest, root: Rest, stranger: Rest, repository: str) -> None:
    wanted = {"url": "http://127.0.0.1:9/hook", "events": ["package.finalized"], "repository": repository}
    made = rest.call("POST", "/webhooks", status=201, content=wanted)
    assert made["secret"].startswith("whsec_")
    path = f"/webhooks/{made['id']}"
    assert "secret" not in rest.call("GET", path)
    assert [one["id"] for one in rest.items("/webhooks?limit=1")] == [made["id"]]
    stranger.refused("GET", path, "not_found")
    delivery = rest.call("POST", f"{path}/test", status=202)
    assert delivery["id"] in [one["id"] for one in rest.items(f"{path}/deliveries")]
    rest.refused("POST", f"{path}/deliveries/nonsense/retry", "not_found")
    rest.call("DELETE", path, status=204)
    rest.refused("GET", path, "not_found")
    assert [entry["action"] for entry in root.items(f"/audit?resource={made['id']}")][-1] == "webhook.create"


def test_the_service_itself(rest: Rest, root: Rest, finalized: str) -> None:
    assert root.call("GET", "/storage/health") == {"healthy": True, "checks": {"database": None, "store": None}}
    usage = root.call("GET", "/storage/usage")
    assert usage["blobs"] > 0
    assert usage["store_free"] is None or usage["store_free"] > 0
    rest.refused("GET", "/storage/usage", "access_denied")
    assert rest.call("GET", finalized)["id"] in {
        event["package_id"] for event in rest.items("/events?type=package.finalized")
    }


@pytest.mark.parametrize(
    "sent",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /api/v1/whoami HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_problem_too(rest: Rest, sent: bytes) -> None:
    host, _, port = rest.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(sent)
        response = http.client.HTTPResponse(connection)
        response.begin()
        problem = json.loads(response.read())
    assert (response.status, response.headers["Content-Type"]) == (400, "application/problem+json")
    assert (problem["code"], len(problem["detail"]) < 500) == ("invalid_request", True)
    assert problem["instance"] == f"urn:request:{response.headers['x-request-id']}"
