"""CORS: the rules of a bucket, the browser's question, and what every answer says to a page of another origin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.s3.refusal import refused
from tests.wire.requester import Requester, raw_head

RULES = [
    {"ID": "pages", "AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["https://*.example.com"]},
    {
        "AllowedMethods": ["PUT"],
        "AllowedOrigins": ["https://upload.example.com"],
        "AllowedHeaders": ["x-amz-*", "Content-Type"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 60,
    },
    {"AllowedMethods": ["DELETE"], "AllowedOrigins": ["*"]},
]


@pytest.fixture
def shared(s3: Any, bucket: str) -> str:
    """A new bucket with rules."""
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    return bucket


@pytest.fixture
def ask(wire: Requester) -> Callable[..., tuple[int, dict[str, str]]]:
    """Ask as a browser does: unsigned."""

    def ask(path: str, origin: str, method: str, *, headers: str = "") -> tuple[int, dict[str, str]]:
        asked = [("Host", wire.netloc), ("Origin", origin), ("Access-Control-Request-Method", method)]
        if headers:
            asked.append(("Access-Control-Request-Headers", headers))
        with wire.connect() as connection:
            connection.send(raw_head("OPTIONS", path, asked))
            answer = connection.receive("OPTIONS")
        return answer.status, {name.lower(): value for name, value in answer.headers}

    return ask


def test_rules_come_back_as_they_were_set(s3: Any, shared: str) -> None:
    assert s3.get_bucket_cors(Bucket=shared)["CORSRules"] == RULES
    s3.delete_bucket_cors(Bucket=shared)
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=shared)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]}, "InvalidRequest"),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": ["*.*"]}, "InvalidRequest"),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": ["**"]}, "InvalidRequest"),
        ({"AllowedMethods": [], "AllowedOrigins": ["*"]}, "MalformedXML"),
    ],
)
def test_rules_that_cannot_be(s3: Any, bucket: str, rule: dict[str, Any], code: str) -> None:
    with refused(code, 400):
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})


def test_an_answer_says_who_may_read_it(wire: Requester, shared: str) -> None:
    answer = wire.request("GET", f"/{shared}", headers={"Origin": "https://a.example.com"})
    assert answer.header("Access-Control-Allow-Origin") == "https://a.example.com"
    assert answer.header("Access-Control-Allow-Methods") == "GET, HEAD"
    assert "Origin" in (answer.header("Vary") or "")
    for origin in ("https://example.com", "http://a.example.com", "https://a.example.com.evil.org"):
        assert (
            wire.request("GET", f"/{shared}", headers={"Origin": origin}).header("Access-Control-Allow-Origin") is None
        )
    refusal = wire.request("GET", f"/{shared}/none", headers={"Origin": "https://a.example.com"})
    assert (refusal.status, refusal.header("Access-Control-Allow-Origin")) == (404, "https://a.example.com")


def test_preflight(ask: Callable[..., tuple[int, dict[str, str]]], shared: str) -> None:
    wanted = "X-Amz-Date, content-type"
    status, headers = ask(f"/{shared}/key", "https://upload.example.com", "PUT", headers=wanted)
    assert status == 200
    assert headers["access-control-allow-origin"] == "https://upload.example.com"
    assert headers["access-control-allow-headers"] == "x-amz-date, content-type"
    assert headers["access-control-expose-headers"] == "ETag"
    assert headers["access-control-max-age"] == "60"
    assert ask(f"/{shared}", "https://anywhere.org", "DELETE")[1]["access-control-allow-origin"] == "*"


def test_preflight_is_refused(ask: Callable[..., tuple[int, dict[str, str]]], shared: str, bucket_name: str) -> None:
    upload = "https://upload.example.com"
    assert ask(f"/{shared}/key", upload, "PUT", headers="authorization")[0] == 403
    assert ask(f"/{shared}/key", "https://anywhere.org", "PUT")[0] == 403
    assert ask(f"/{shared}/key", upload, "POST")[0] == 403
