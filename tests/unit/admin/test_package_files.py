from __future__ import annotations

import base64
import hashlib
from urllib.parse import quote

import pytest

from registry.model import FileAttributes
from tests.unit.admin.rest import PACKAGE, Rest

FILES = "/packages/pkg_0198f2c0/files/"
CONTENT = bytes(range(256)) * 1000
AWKWARD = ["plain.txt", "a b+c&d=e.txt", "100% (a&b)=c;d,e'f!~@$#?.txt", "résumé € ü/%2F.txt", "dir//double", ".hidden"]


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


async def test_a_file_goes_in_and_comes_out(rest: Rest) -> None:
    answer, _ = await rest.send(
        "PUT", f"/api/v1{FILES}reports/a.html", data=CONTENT, headers={"Content-Type": "text/html"}
    )
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1{FILES}reports/a.html"
    got, content = await rest.send("GET", answer.headers["Location"])
    assert content == CONTENT
    assert got.headers["Repr-Digest"] == got.headers["Content-Digest"] == digest(CONTENT)
    assert got.headers["Content-Type"] == "text/html"
    assert got.headers["Accept-Ranges"] == "bytes"
    stored = await rest.world.registry.files.get(rest.world.alice, "evidence", "run-42/reports/a.html")
    assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("path", AWKWARD)
async def test_paths_are_kept_as_they_are(rest: Rest, path: str) -> None:
    made = await rest.call("PUT", FILES + quote(path), data=path.encode(), status=201)
    assert made["path"] == path
    stored = await rest.world.registry.files.get(rest.world.alice, "evidence", f"run-42/{path}")
    assert await rest.world.registry.files.read(stored, 0, stored.size) == path.encode()
    assert await rest.call("GET", FILES + quote(path, safe="")) == path.encode()


async def test_an_uploaded_page_cannot_act_in_the_registrys_name(rest: Rest) -> None:
    await rest.call("PUT", FILES + "x.html", data=b"<script>", headers={"Content-Type": "text/html"}, status=201)
    got, _ = await rest.send("GET", f"/api/v1{FILES}x.html")
    assert got.headers["Content-Security-Policy"].startswith("sandbox;")
    assert got.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [("bytes=0-9", 0, 10), ("bytes=255990-", 255_990, 256_000), ("bytes=-5", 255_995, 256_000)],
)
async def test_ranges(rest: Rest, header: str, start: int, stop: int) -> None:
    await rest.call("PUT", FILES + "f", data=CONTENT, status=201)
    got, content = await rest.send("GET", f"/api/v1{FILES}f", headers={"Range": header})
    assert (got.status, content) == (206, CONTENT[start:stop])
    assert got.headers["Content-Range"] == f"bytes {start}-{stop - 1}/256000"
    assert got.headers["Repr-Digest"] == digest(CONTENT)
    assert "Content-Digest" not in got.headers


async def test_a_range_past_the_end(rest: Rest) -> None:
    await rest.call("PUT", FILES + "f", data=b"abc", status=201)
    answer, _ = await rest.send("GET", f"/api/v1{FILES}f", headers={"Range": "bytes=3-"})
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */3")


async def test_if_range_gives_the_whole_of_what_changed(rest: Rest) -> None:
    await rest.call("PUT", FILES + "f", data=b"abc", status=201)
    whole, _ = await rest.send("GET", f"/api/v1{FILES}f")
    for tag, expected in ((whole.headers["ETag"], (206, b"a")), ('"other"', (200, b"abc"))):
        headers = {"Range": "bytes=0-0", "If-Range": tag}
        got, content = await rest.send("GET", f"/api/v1{FILES}f", headers=headers)
        assert (got.status, content) == expected


async def test_conditions(rest: Rest) -> None:
    await rest.call("PUT", FILES + "f", data=b"abc", status=201)
    whole, _ = await rest.send("GET", f"/api/v1{FILES}f")
    tag = whole.headers["ETag"]
    assert await rest.call("GET", FILES + "f", status=304, headers={"If-None-Match": tag}) == b""
    await rest.refused("GET", FILES + "f", "precondition_failed", headers={"If-Match": '"other"'})


async def test_head(rest: Rest) -> None:
    await rest.call("PUT", FILES + "f", data=CONTENT, status=201)
    got, content = await rest.send("HEAD", f"/api/v1{FILES}f")
    assert (got.status, content, got.headers["Content-Length"]) == (200, b"", str(len(CONTENT)))
    assert got.headers["Repr-Digest"] == digest(CONTENT)


async def test_an_empty_file(rest: Rest) -> None:
    made = await rest.call("PUT", FILES + "stderr.log", data=b"", status=201)
    assert (made["size"], made["media_type"]) == (0, "application/octet-stream")
    assert await rest.call("GET", FILES + "stderr.log") == b""


async def test_a_file_is_replaced_only_when_that_is_asked_for(rest: Rest) -> None:
    await rest.call("PUT", FILES + "f", data=b"one", status=201)
    problem = await rest.refused("PUT", FILES + "f", "file_exists", data=b"two")
    assert problem["errors"][0]["fix"] == "Send replace=true to replace the file."
    assert await rest.call("GET", FILES + "f") == b"one"
    await rest.call("PUT", FILES + "f?replace=true", data=b"two")
    assert await rest.call("GET", FILES + "f") == b"two"
    await rest.call("PUT", FILES + "new?replace=true", data=b"three", status=201)


@pytest.mark.parametrize("header", ["Content-Digest", "Repr-Digest"])
async def test_a_digest_is_verified_before_anything_is_stored(rest: Rest, header: str) -> None:
    await rest.refused("PUT", FILES + "f", "body_mismatch", data=b"abc", headers={header: digest(b"abd")})
    await rest.refused("GET", FILES + "f", "not_found")
    both = f"md5=:AAAA:, {digest(b'abc')}"
    await rest.call("PUT", FILES + "f", data=b"abc", headers={header: both}, status=201)


@pytest.mark.parametrize("value", ["sha-256=abc", "sha-256=:abc:", "sha-256=:" + "A" * 44 + ":"])
async def test_a_malformed_digest_is_named(rest: Rest, value: str) -> None:
    problem = await rest.refused("PUT", FILES + "f", "invalid_request", data=b"", headers={"Content-Digest": value})
    assert problem["errors"][0]["field"] == "content-digest"


async def test_a_compressed_file_is_kept_compressed(rest: Rest) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    await rest.call("PUT", FILES + "log.gz", data=b"not really gzip", headers=headers, status=201)
    stored = await rest.world.registry.files.get(rest.world.alice, "evidence", "run-42/log.gz")
    assert stored.sha256 == hashlib.sha256(b"not really gzip").hexdigest()
    assert stored.attributes.headers == {"content-encoding": "gzip"}


async def test_a_file_is_removed_once(rest: Rest) -> None:
    await rest.call("PUT", FILES + "f", data=b"abc", status=201)
    await rest.call("DELETE", FILES + "f", status=204)
    await rest.refused("DELETE", FILES + "f", "not_found")


async def test_only_files_of_the_package_are_reached(rest: Rest) -> None:
    files = rest.world.registry.files
    await files.put(rest.world.alice, "evidence", "other/f", rest.world.bytes(b"x"), FileAttributes())
    await rest.refused("GET", FILES + quote("../other/f", safe=""), "not_found")
    assert PACKAGE.name == "run-42"
