"""The S3 client, against a server that answers with what is next in line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

import pytest
from aiohttp import web

from gateway.cli.api import UnreachableError
from gateway.cli.s3 import S3, S3Error

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Keys:
    access_key: str = "AKID"
    secret: str = "secret"


class Server:
    def __init__(self) -> None:
        self.answers: list[web.Response | Handler] = []
        self.asked: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.address = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        self.asked.append((request.method, request.raw_path, await request.read()))
        following = self.answers.pop(0)
        return following if isinstance(following, web.Response) else await following(request)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.address = "http://{}:{}".format(*runner.addresses[0][:2])
    yield server
    await runner.cleanup()


@pytest.fixture
async def s3(server: Server) -> AsyncIterator[S3]:
    async with S3(server.address, Keys(), region="us-east-1", delays=(0.0,)) as s3:
        yield s3


class Text:
    """A body of pieces."""

    def __init__(self, *pieces: bytes, fail: Exception | None = None) -> None:
        self._pieces = pieces
        self._fail = fail
        self.size = sum(map(len, pieces)) + (fail is not None)
        self.sha256 = hashlib.sha256(b"".join(pieces)).hexdigest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._fail:
            raise self._fail


def refusal(status: int, code: str, message: str) -> web.Response:
    return web.Response(status=status, body=f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def test_a_key_goes_as_it_is_and_its_content_signed(server: Server, s3: S3) -> None:
    server.answers = [web.Response()]
    await s3.put("bucket", "p/a b+é/../100%", Text(b"one", b"two"), content_type="text/plain")
    [(method, path, body)] = server.asked
    assert (method, unquote(path), body) == ("PUT", "/bucket/p/a b+é/../100%", b"onetwo")
    assert "%2B" in path
    headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert headers["x-amz-content-sha256"] == hashlib.sha256(b"onetwo").hexdigest()
    assert (headers["content-length"], headers["content-type"]) == ("6", "text/plain")
    assert "transfer-encoding" not in headers


async def test_a_refusal_is_told_with_its_code(server: Server, s3: S3) -> None:
    server.answers = [refusal(403, "AccessDenied", "Access Denied: held.")]
    with pytest.raises(S3Error, match=re.escape("s3://bucket/key: Access Denied: held. (AccessDenied)")) as refused:
        await s3.put("bucket", "key", b"x")
    assert (refused.value.status, refused.value.code, len(server.asked)) == (403, "AccessDenied", 1)


async def test_what_is_no_s3_is_named(server: Server, s3: S3) -> None:
    server.answers = [web.Response(status=404, text="<html>")]
    with pytest.raises(S3Error, match="this is not how an S3 endpoint answers"):
        await s3.read("bucket", "key")


async def test_a_request_without_an_answer_is_sent_again_whole(server: Server, s3: S3) -> None:
    server.answers = [hang_up, web.Response()]
    await s3.put("bucket", "key", Text(b"one", b"two"))
    assert [body for _, _, body in server.asked] == [b"onetwo", b"onetwo"]


async def test_patience_ends(server: Server, s3: S3) -> None:
    server.answers = [refusal(503, "SlowDown", "Please reduce your request rate.") for _ in range(2)]
    with pytest.raises(S3Error, match="SlowDown"):
        await s3.put("bucket", "key", b"x")
    with pytest.raises(UnreachableError, match="No S3 endpoint answers"):
        async with S3("http://127.0.0.1:1", Keys(), region="r", delays=()) as nobody:
            await nobody.read("bucket", "key")


async def test_a_body_that_breaks_off_says_why(server: Server, s3: S3) -> None:
    with pytest.raises(ArithmeticError, match="changed"):
        await s3.put("bucket", "key", Text(b"one", fail=ArithmeticError("changed")))


async def test_an_upload_to_another_key_is_not_taken_up(server: Server, s3: S3) -> None:
    document = (
        "<ListMultipartUploadsResult>"
        "<Upload><Key>p/a%20b</Key><UploadId>older</UploadId></Upload>"
        "<Upload><Key>p/a%20b</Key><UploadId>newer</UploadId></Upload>"
        "<Upload><Key>p/a%20bc</Key><UploadId>other</UploadId></Upload>"
        "</ListMultipartUploadsResult>"
    )
    server.answers = [web.Response(text=document), web.Response(text=document), web.Response(text="<X/>")]
    assert await s3.find_upload("bucket", "p/a b") == "newer"
    assert await s3.find_upload("bucket", "p/a") is None


async def test_a_completion_that_fails_after_its_status(server: Server, s3: S3) -> None:
    server.answers = [refusal(200, "InternalError", "We encountered an internal error.")]
    with pytest.raises(S3Error, match="InternalError"):
        await s3.complete_upload("bucket", "key", "id", [])
