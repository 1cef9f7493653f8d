"""Files streamed in and out: ranges, conditions, digests, replacing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conformance.rest.rest import Rest

BODY = bytes(range(256)) * 4096  # 1 MiB: sent from the file, not from memory


def digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@pytest.mark.parametrize(
    ("asked", "stretch"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=5-9", range(5, 10)),
        ("bytes=1048570-", range(1048570, 1048576)),
        ("bytes=-3", range(1048573, 1048576)),
        ("bytes=1000-99999999", range(1000, 1048576)),
    ],
)
def test_a_range(rest: Rest, package: str, put: Callable[..., Any], asked: str, stretch: range) -> None:
    put("large.bin", BODY)
    got = rest.send("GET", f"{package}/files/large.bin", headers={"Range": asked})
    assert (got.status, got.body) == (206, BODY[stretch.start : stretch.stop])
    assert got.headers["content-range"] == f"bytes {stretch[0]}-{stretch[-1]}/{len(BODY)}"
    assert got.headers["repr-digest"] == digest(BODY), "of the whole file"
    assert "content-digest" not in got.headers


def test_the_whole_with_its_digests(rest: Rest, package: str, put: Callable[..., Any]) -> None:
    put("large.bin", BODY, **{"Content-Type": "application/x-test", "Cache-Control": "no-store"})
    path = f"{package}/files/large.bin"
    got = rest.send("GET", path)
    assert (got.status, got.body) == (200, BODY)
    assert got.headers["repr-digest"] == got.headers["content-digest"] == digest(BODY)
    assert (got.headers["content-type"], got.headers["cache-control"]) == ("application/x-test", "no-store")
    assert got.headers["content-security-policy"].startswith("sandbox")
    headed = rest.send("HEAD", path)
    assert (headed.status, headed.body) == (200, b"")
    assert headed.headers["content-length"] == str(len(BODY))
    assert rest.send("GET", path, headers={"If-None-Match": got.headers["etag"]}).status == 304
    assert rest.send("GET", path, headers={"If-None-Match": '"other"'}).status == 200
    rest.refused("GET", path, "precondition_failed", headers={"If-Match": '"other"'})
    since_other = {"Range": "bytes=0-1", "If-Range": '"other"'}
    assert rest.send("GET", path, headers=since_other).status == 200
    beyond = rest.send("GET", path, headers={"Range": "bytes=1048576-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(BODY)}")


def test_a_stream_of_unknown_length_is_taken(rest: Rest, package: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(8):
            yield BODY

    answer = rest.send("PUT", f"{package}/files/stream", body=pieces())
    made = rest.checked("PUT", f"{package}/files/stream", answer)
    assert (answer.status, made["size"], made["sha256"]) == (201, 8 * len(BODY), hashlib.sha256(BODY * 8).hexdigest())


@pytest.mark.parametrize("header", ["Content-Digest", "Repr-Digest"])
def test_an_announced_digest_is_verified(rest: Rest, package: str, put: Callable[..., Any], header: str) -> None:
    put("a", b"data", **{header: digest(b"data")})
    wrong = {header: digest(b"other")}
    problem = rest.refused("PUT", f"{package}/files/b", "body_mismatch", body=b"data", headers=wrong)
    assert problem["status"] == 422
    rest.refused("GET", f"{package}/files/b", "not_found")


def test_replacing_is_asked_for(rest: Rest, package: str, put: Callable[..., Any]) -> None:
    put("a", b"one")
    problem = rest.refused("PUT", f"{package}/files/a", "file_exists", body=b"two")
    assert problem["errors"] == [
        {"field": "replace", "message": "is not set", "fix": "Send replace=true to replace the file."}
    ]
    put("a", b"two", status=200, query="?replace=true")
    assert rest.call("GET", f"{package}/files/a") == b"two"


def test_a_repository_can_refuse_to_replace(rest: Rest, repository: str, package: str, put: Callable[..., Any]) -> None:
    put("a", b"one")
    rest.call("PATCH", f"/repositories/{repository}", content={"overwrite": "deny"})
    rest.refused("PUT", f"{package}/files/a?replace=true", "overwrite_denied", body=b"two")
    assert rest.call("GET", f"{package}/files/a") == b"one"


def test_paths_are_kept_letter_by_letter(rest: Rest, package: str, put: Callable[..., Any]) -> None:
    path = "d%C3%A9j%C3%A0%20vu/a%2Bb%25/c%3Fd%23e.txt"
    put(path, b"named")
    assert rest.call("GET", f"{package}/files/{path}") == b"named"
    assert [file["path"] for file in rest.items(f"{package}/files")] == ["déjà vu/a+b%/c?d#e.txt"]
    rest.call("DELETE", f"{package}/files/{path}", status=204)
    rest.refused("DELETE", f"{package}/files/{path}", "not_found")


def test_the_registrys_own_files_are_not_written_here(rest: Rest, package: str) -> None:
    rest.refused("PUT", f"{package}/files/.artifact/manifest.json", "invalid_request", body=b"{}")
    rest.refused("DELETE", f"{package}/files/.artifact/finalize", "not_found")


def test_nobody_else_sees_it(stranger: Rest, finalized: str) -> None:
    for method, path in [
        ("GET", ""),
        ("GET", "/files"),
        ("GET", "/files/a.txt"),
        ("GET", "/manifest"),
        ("GET", "/revisions"),
        ("GET", "/eligibility"),
        ("GET", "/retention"),
        ("DELETE", "?reason=x"),
        ("POST", "/amend"),
        ("POST", "/restore"),
    ]:
        stranger.refused(method, f"{finalized}{path}", "not_found")
    assert stranger.items(f"{finalized}/history") == []
    assert stranger.items("/packages") == []
