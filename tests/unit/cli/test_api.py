from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from gateway.cli.api import Api, ApiError, UnreachableError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers with what is next in line, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Handler | web.Response] = []
        self.asked: list[tuple[str, str, str | None, bytes]] = []
        self.address = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append((request.method, request.raw_path, request.headers.get("Idempotency-Key"), body))
        self.authorization = request.headers["Authorization"]
        self.content_type = request.headers.get("Content-Type")
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
async def api(server: Server) -> AsyncIterator[Api]:
    async with Api(server.address, "AKID", "secret", delays=(0.0, 0.0)) as api:
        yield api


def problem(status: int, **members: object) -> web.Response:
    return web.Response(status=status, text=json.dumps(members), content_type="application/problem+json")


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def test_a_document_goes_and_comes(server: Server, api: Api) -> None:
    server.answers = [web.json_response({"id": "pkg_1"}, status=201)]
    assert await api.call("POST", "/packages", query={"a": "b c"}, document={"name": "x"}) == {"id": "pkg_1"}
    [(method, path, key, body)] = server.asked
    assert (method, path, json.loads(body)) == ("POST", "/api/v1/packages?a=b+c", {"name": "x"})
    assert key
    assert server.authorization == "Basic QUtJRDpzZWNyZXQ="


async def test_text_bytes_and_nothing(server: Server, api: Api) -> None:
    server.answers = [web.Response(status=204), web.Response(body=b"x  a\n", content_type="text/plain")]
    assert await api.call("POST", "/packages/pkg_1/finalize", text=b"sums") is None
    assert (server.asked[0][3], server.content_type) == (b"sums", "text/plain; charset=utf-8")
    assert await api.call("GET", "/packages/pkg_1/SHA256SUMS") == b"x  a\n"


async def test_a_path_goes_as_it_is(server: Server, api: Api) -> None:
    server.answers = [web.Response(status=204)]
    await api.call("DELETE", "/packages/pkg_1/files/a%2Fb%20c%25")
    assert server.asked[0][1] == "/api/v1/packages/pkg_1/files/a%2Fb%20c%25"


async def test_all_pages_are_read(server: Server, api: Api) -> None:
    server.answers = [
        web.json_response({"items": [{"id": 1}, {"id": 2}], "next": "/api/v1/audit?limit=2&after=%2F2"}),
        web.json_response({"items": [{"id": 3}], "next": None}),
    ]
    assert [item["id"] async for item in api.items("/audit", {"limit": 2})] == [1, 2, 3]
    assert [path for _, path, _, _ in server.asked] == ["/api/v1/audit?limit=2", "/api/v1/audit?limit=2&after=%2F2"]


async def test_a_refusal_tells_why_and_how_to_mend_it(server: Server, api: Api) -> None:
    reasons = [{"kind": "hold", "message": "held"}]
    server.answers = [
        problem(
            409,
            code="protected",
            detail="Something protects it.",
            reasons=reasons,
            errors=[{"field": "reason", "message": "is missing", "fix": "Say why."}],
        )
    ]
    with pytest.raises(ApiError) as refused:
        await api.call("DELETE", "/packages/pkg_1")
    assert str(refused.value) == "Something protects it.\n  reason: Say why."
    assert (refused.value.status, refused.value.code, refused.value.reasons) == (409, "protected", tuple(reasons))
    assert len(server.asked) == 1, "a refusal is not asked again"


async def test_what_is_no_registry_is_named(server: Server, api: Api) -> None:
    server.answers = [web.Response(status=404, text="<html>", content_type="text/html")]
    with pytest.raises(ApiError, match="answered 404 Not Found, not as a registry does"):
        await api.call("GET", "/whoami")


async def test_a_redirect_takes_no_secret_elsewhere(server: Server, api: Api) -> None:
    server.answers = [web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})]
    with pytest.raises(ApiError, match="302"):
        await api.call("GET", "/whoami")


async def test_a_request_without_an_answer_is_sent_again_under_the_same_key(server: Server, api: Api) -> None:
    server.answers = [hang_up, problem(503, detail="Not now."), web.json_response({"id": "pkg_1"})]
    assert await api.call("POST", "/packages", document={}) == {"id": "pkg_1"}
    assert len(server.asked) == 3
    assert len({key for _, _, key, _ in server.asked}) == 1


async def test_patience_ends(server: Server, api: Api) -> None:
    server.answers = [problem(503, detail="Not now.") for _ in range(3)]
    with pytest.raises(ApiError, match="Not now"):
        await api.call("GET", "/whoami")


async def test_nobody_is_there() -> None:
    async with Api("http://127.0.0.1:1", "AKID", "secret", delays=()) as api:
        with pytest.raises(UnreachableError, match="No registry answers at http"):
            await api.call("GET", "/whoami")


@pytest.mark.parametrize(
    "address", ["127.0.0.1:9001", "ftp://host", "http://", "http://host/path", "http://host?x=1", ""]
)
def test_an_address_is_checked(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address of a registry"):
        Api(address, "AKID", "secret")
