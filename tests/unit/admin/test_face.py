from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import encode_basic_auth

from gateway.admin.contract import Contract
from gateway.auth.payload import EMPTY_SHA256
from gateway.auth.signer import sign
from registry.errors import ConflictError, StorageUnavailableError
from registry.model import Credential, Page
from tests.unit.admin.rest import KEY, PACKAGE, SECRET, Rest


async def test_who_am_i(rest: Rest) -> None:
    assert await rest.call("GET", "/whoami") == {
        "id": rest.world.alice.account_id,
        "name": "alice",
        "administrator": False,
        "access_key": KEY,
    }


@pytest.mark.parametrize(
    "header",
    [
        encode_basic_auth(KEY, "wrong"),
        encode_basic_auth("AKIDUNKNOWN", SECRET),
        encode_basic_auth(KEY, ""),
        "Basic",
        "Basic !!!",
        "Basic bm9jb2xvbg==",
        "Bearer abc",
        "AWS4-HMAC-SHA256 nonsense",
    ],
)
async def test_a_wrong_key_is_refused(rest: Rest, header: str) -> None:
    rest.headers = {"Authorization": header}
    problem = await rest.refused("GET", "/whoami", "authentication_failed")
    assert problem["status"] == 401
    assert SECRET not in json.dumps(problem)


async def test_nobody_is_asked_who_they_are(rest: Rest) -> None:
    rest.headers = {}
    answer, content = await rest.send("GET", "/api/v1/packages")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="artifact-store", charset="UTF-8"'
    assert "HTTP Basic" in json.loads(content)["detail"]


async def test_the_contract_is_public(rest: Rest) -> None:
    rest.headers = {}
    assert await rest.call("GET", "/openapi.json") == Contract.load().document


def signed(rest: Rest, secret: str, at: datetime) -> dict[str, str]:
    keys = Credential(KEY, secret, "", "", administrator=False)
    host = rest.address.removeprefix("http://")
    return sign("GET", "/api/v1/whoami", {"Host": host}, EMPTY_SHA256, keys, region="us-east-1", now=at)


@pytest.mark.parametrize(("secret", "status"), [(SECRET, 200), ("not-the-secret", 401)])
async def test_signature_version_4(rest: Rest, secret: str, status: int) -> None:
    rest.headers = signed(rest, secret, datetime.now(UTC))
    answer, content = await rest.send("GET", "/api/v1/whoami")
    assert answer.status == status, content


async def test_a_signature_of_another_hour_tells_so(rest: Rest) -> None:
    rest.headers = signed(rest, SECRET, datetime.now(UTC) - timedelta(hours=1))
    problem = await rest.refused("GET", "/whoami", "authentication_failed")
    assert "time" in problem["detail"]


async def test_what_is_not_there_is_a_problem_too(rest: Rest) -> None:
    answer, content = await rest.send("GET", "/api/v1/nonsense")
    assert (answer.status, answer.content_type) == (404, "application/problem+json")
    assert json.loads(content)["code"] == "not_found"


async def test_a_method_that_is_not_there_names_those_that_are(rest: Rest) -> None:
    answer, content = await rest.send("PUT", "/api/v1/packages")
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}
    assert json.loads(content)["code"] == "method_not_allowed"


async def test_every_answer_has_the_id_of_its_request(rest: Rest) -> None:
    answer, content = await rest.send("GET", "/api/v1/nonsense")
    assert json.loads(content)["instance"] == f"urn:request:{answer.headers['X-Request-Id']}"
    other, _ = await rest.send("GET", "/api/v1/whoami")
    assert other.headers["X-Request-Id"] != answer.headers["X-Request-Id"]


async def test_the_actor_carries_where_the_request_came_from(rest: Rest) -> None:
    answer, _ = await rest.send("GET", "/api/v1/packages/pkg_0198f2c0")
    [(_, (actor, package_id), _)] = rest.rooms.packages.asked
    assert package_id == "pkg_0198f2c0"
    assert (actor.access_key, actor.source_address) == (KEY, "127.0.0.1")
    assert actor.request_id == answer.headers["X-Request-Id"]


async def test_a_fault_is_hidden_and_logged(rest: Rest, caplog: pytest.LogCaptureFixture) -> None:
    rest.rooms.packages.answers["get"] = ZeroDivisionError("the secret of the fault")
    problem = await rest.refused("GET", "/packages/pkg_1", "internal_error")
    assert "the secret of the fault" not in json.dumps(problem)
    assert "the secret of the fault" in caplog.text


async def test_storage_that_does_not_answer_is_worth_a_retry(rest: Rest) -> None:
    rest.rooms.packages.answers["get"] = StorageUnavailableError("The database does not answer.")
    answer, _ = await rest.send("GET", "/api/v1/packages/pkg_1")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_head_is_get_without_its_body(rest: Rest) -> None:
    got, content = await rest.send("GET", "/api/v1/packages/pkg_1")
    headed, nothing = await rest.send("HEAD", "/api/v1/packages/pkg_1")
    assert (headed.status, nothing) == (200, b"")
    assert headed.headers["ETag"] == got.headers["ETag"]
    assert int(headed.headers["Content-Length"]) == len(content)


async def test_pages_link_to_the_next(rest: Rest) -> None:
    rest.rooms.packages.answers["list"] = Page([PACKAGE], "cursor/with &odd=characters")
    query = "/packages?repository=evidence&status=uploading&status=failed&limit=1&labels.team=a%26b"
    answer, content = await rest.send("GET", f"/api/v1{query}")
    following = json.loads(content)["next"]
    assert answer.headers["Link"] == f'<{following}>; rel="next"'
    rest.rooms.packages.answers["list"] = Page([], None)
    last, content = await rest.send("GET", following)
    assert json.loads(content) == {"items": [], "next": None}
    assert "Link" not in last.headers
    first, second = rest.rooms.packages.asked
    assert first[1][1:] == second[1][1:], "the next page is of the same query"
    assert (first[2], second[2]) == (
        {"after": None, "limit": 1},
        {"after": "cursor/with &odd=characters", "limit": 1},
    )


async def test_bodies_are_bounded(rest: Rest) -> None:
    problem = await rest.refused(
        "POST",
        "/packages",
        "body_too_large",
        data=io.BytesIO(b" " * (1024 * 1024 + 1)),
        headers={"Content-Type": "application/json"},
    )
    assert problem["status"] == 413


async def test_a_body_must_be_what_its_headers_announce(rest: Rest) -> None:
    problem = await rest.refused(
        "POST",
        "/packages",
        "body_mismatch",
        data=b"{}",
        headers={"Content-Type": "application/json", "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
    )
    assert "MD5" in problem["detail"]


NEW = {"repository": "evidence", "name": "run-42"}


async def test_a_repeated_post_is_answered_as_the_first(rest: Rest) -> None:
    rest.rooms.packages.answers["create"] = PACKAGE
    headers = {"Idempotency-Key": "k1"}
    first, content = await rest.send("POST", "/api/v1/packages", json=NEW, headers=headers)
    rest.rooms.packages.answers["create"] = replace(PACKAGE, id="pkg_other")
    again, repeated = await rest.send("POST", "/api/v1/packages", json=NEW, headers=headers)
    assert (again.status, repeated) == (first.status, content)
    assert again.headers["Location"] == first.headers["Location"] == "/api/v1/packages/pkg_0198f2c0"
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (again.headers.get("Idempotency-Replayed"), first.headers.get("Idempotency-Replayed")) == ("true", None)
    assert len(rest.rooms.packages.asked) == 1


async def test_a_key_is_for_one_request(rest: Rest) -> None:
    rest.rooms.packages.answers["create"] = PACKAGE
    headers = {"Idempotency-Key": "k1"}
    await rest.call("POST", "/packages", status=201, json=NEW, headers=headers)
    problem = await rest.refused("POST", "/packages", "unprocessable", json={**NEW, "name": "b"}, headers=headers)
    assert "another request" in problem["detail"]
    await rest.call("POST", "/packages", status=201, json={**NEW, "name": "b"}, headers={"Idempotency-Key": "k2"})


async def test_a_refusal_is_kept_but_what_may_pass_is_not(rest: Rest) -> None:
    headers = {"Idempotency-Key": "k1"}
    rest.rooms.packages.answers["create"] = StorageUnavailableError("Not now.")
    await rest.refused("POST", "/packages", "storage_unavailable", json=NEW, headers=headers)
    rest.rooms.packages.answers["create"] = ConflictError("Someone was faster.")
    await rest.refused("POST", "/packages", "conflict", json=NEW, headers=headers)
    rest.rooms.packages.answers["create"] = PACKAGE
    await rest.call("POST", "/packages", status=201, json=NEW, headers=headers)


async def test_two_at_once_with_one_key_make_one(rest: Rest) -> None:
    rest.rooms.packages.answers["create"] = PACKAGE
    sent = [rest.send("POST", "/api/v1/packages", json=NEW, headers={"Idempotency-Key": "k1"}) for _ in range(8)]
    answers = await asyncio.gather(*sent)
    assert {answer.status for answer, _ in answers} <= {201, 409}
    assert len(rest.rooms.packages.asked) == 1
