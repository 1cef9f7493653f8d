"""Authentications that are refused, on either face: the audit tells of each, and no secret is told anywhere."""

from __future__ import annotations

import base64
import time
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError

import pytest

from gateway.auth.payload import EMPTY_SHA256
from gateway.auth.signer import sign
from registry.model import Credential
from tests.conformance.rest.conftest import account
from tests.conformance.rest.rest import Rest
from tests.services.server import Server

WRONG = "a-secret-that-is-wrong-4711"


def basic(access_key: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{access_key}:{secret}".encode()).decode()


def signed(url: str, secret: str, access_key: str, ago: timedelta = timedelta()) -> dict[str, str]:
    host, _, path = url.removeprefix("http://").partition("/")
    keys = Credential(access_key, secret, "", "", administrator=False)
    return sign("GET", f"/{path}", {"Host": host}, EMPTY_SHA256, keys, region="us-east-1", now=datetime.now(UTC) - ago)


def ask(url: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and request id of the answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.headers["x-request-id"] or answer.headers["x-amz-request-id"]
    except HTTPError as refused:
        with refused:
            return refused.code, refused.headers["x-request-id"] or refused.headers["x-amz-request-id"]


def told(root: Rest, request_id: str) -> Sequence[dict[str, Any]]:
    """The entries about a request, as soon as there is one."""
    deadline = time.monotonic() + 10
    while not (entries := root.items(f"/audit?action=auth.fail&outcome=denied&request_id={request_id}")):
        assert time.monotonic() < deadline, "the audit does not tell of it"
        time.sleep(0.1)
    return entries


@pytest.mark.parametrize("face", ["rest", "s3"])
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("wrong signature", "SignatureDoesNotMatch"),
        ("old signature", "RequestTimeTooSkewed"),
        ("unknown key", "InvalidAccessKeyId"),
        ("anonymous", "AccessDenied"),
        ("malformed", "AuthorizationHeaderMalformed"),
        ("signature version 2", "InvalidRequest"),
        ("wrong secret", "InvalidArgument"),
    ],
)
def test_each_is_told(server: Server, root: Rest, rest: Rest, face: str, kind: str, code: str) -> None:
    url = f"{server.registry_url}/api/v1/whoami" if face == "rest" else f"{server.endpoint_url}/evidence"
    headers = {
        "wrong signature": lambda: signed(url, WRONG, rest.access_key),
        "old signature": lambda: signed(url, rest.secret_key, rest.access_key, timedelta(hours=1)),
        "unknown key": lambda: signed(url, rest.secret_key, WRONG),
        "anonymous": dict,
        "malformed": lambda: {"Authorization": "AWS4-HMAC-SHA256 nonsense"},
        "signature version 2": lambda: {"Authorization": f"AWS {rest.access_key}:c2ln"},
        "wrong secret": lambda: {"Authorization": basic(rest.access_key, WRONG)},
    }[kind]()
    status, request_id = ask(url, headers)
    assert status in (400, 401, 403)
    [entry] = told(root, request_id)
    if face == "rest" and kind in ("anonymous", "signature version 2", "wrong secret"):
        code = "authentication_failed"
    assert entry["detail"].items() >= {"code": code, "face": face}.items()
    assert entry["outcome"] == "denied"
    assert entry["resource"] == f"GET /{url.removeprefix('http://').partition('/')[2]}"
    assert entry["source_address"] == "127.0.0.1"
    known = kind in ("wrong signature", "old signature") or (face == "rest" and kind == "wrong secret")
    assert entry["access_key"] == (rest.access_key if known else None)
    assert WRONG not in str(entry)


def test_what_is_allowed_or_merely_forbidden_is_not_told(root: Rest, rest: Rest) -> None:
    request_ids = []
    for path in ("/whoami", "/storage/usage", "/nonsense"):
        answer = rest.send("GET", path)
        assert answer.status in (200, 403, 404)
        request_ids.append(answer.headers["x-request-id"])
    _, last = ask(f"{rest.url}/api/v1/whoami", {})
    assert told(root, last)
    for request_id in request_ids:
        assert root.items(f"/audit?action=auth.fail&outcome=denied&request_id={request_id}") == []


def test_a_flood_slows_nobody_and_is_counted(start_server: Any) -> None:
    server: Server = start_server(workers=1)
    root = Rest(server.registry_url, server.access_key, server.secret_key)
    for _ in range(150):
        ask(f"{server.endpoint_url}/x", {})
    server.stop()  # writes what is left
    server = start_server(workers=1, data_dir=server.data_dir)
    root = Rest(server.registry_url, server.access_key, server.secret_key)
    entries = root.items("/audit?action=auth.fail&outcome=denied")
    assert len(entries) < 150
    assert sum(entry["detail"].get("refusals", 1) for entry in entries) == 150


def test_no_secret_is_ever_logged(start_server: Any) -> None:
    server: Server = start_server(log_level="debug", workers=1)
    someone = account(server, "someone")
    someone.call("POST", "/repositories", status=201, content={"name": "evidence"})
    webhook = {"url": "http://127.0.0.1:9/hook", "repository": "evidence"}
    secret = someone.call("POST", "/webhooks", status=201, content=webhook)["secret"]
    for url in (f"{server.registry_url}/api/v1/whoami", f"{server.endpoint_url}/evidence"):
        ask(url, {"Authorization": basic(someone.access_key, someone.secret_key)})
        ask(url, {"Authorization": basic(someone.access_key, WRONG)})
        ask(url, {"Authorization": basic(someone.secret_key, someone.access_key)})
        ask(url, signed(url, someone.secret_key, someone.access_key))
        ask(url, signed(url, WRONG, someone.access_key))
        ask(f"{url}?X-Amz-Credential={someone.secret_key}/20300101/us-east-1/s3/aws4_request", {})
    someone.refused("POST", "/webhooks", "invalid_request", content={"url": f"http://u:{WRONG}@h/"})
    server.stop()
    written = server.log + server.output
    for hidden in (someone.secret_key, server.secret_key, WRONG, secret, basic("x", WRONG).split()[1]):
        assert hidden not in written
    database = (server.data_dir / "registry.db").read_bytes()
    for hidden in (someone.secret_key, WRONG, secret):
        assert hidden.encode() not in database, "neither in the audit"
