"""Health, index, metrics and refusals, as the registry's port answers them."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from gateway.http import health
from gateway.http.health import Health
from gateway.http.index import index
from gateway.http.logging import Json, Log
from gateway.http.metrics import Metrics, metrics_route
from gateway.http.middleware import observed
from gateway.http.problem import problems


class Engine:
    """Something to probe."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.probes = 0
        self.seconds = 0.0

    async def probe(self) -> None:
        self.probes += 1
        await asyncio.sleep(self.seconds)
        if self.failure:
            raise self.failure


async def test_ready_says_which_engine_fails(aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_FRESH", 0.0)
    database, store = Engine(), Engine()
    app = web.Application()
    app.add_routes(Health({"database": database.probe, "store": store.probe}).routes())
    client = await aiohttp_client(app)

    ready = await client.get("/health/ready")
    assert (ready.status, await ready.json()) == (200, {"status": "ok", "database": "ok", "store": "ok"})

    store.failure = OSError("the disk is gone")
    ready = await client.get("/health/ready")
    assert ready.status == 503
    assert await ready.json() == {"status": "unavailable", "database": "ok", "store": "the disk is gone"}
    assert (await client.get("/health/live")).status == 200

    store.failure = None
    assert (await client.get("/health/ready")).status == 200


async def test_an_engine_that_does_not_answer_is_not_waited_for(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_TIMEOUT", 0.05)
    database = Engine()
    database.seconds = 60
    app = web.Application()
    app.add_routes(Health({"database": database.probe}).routes())
    client = await aiohttp_client(app)
    ready = await client.get("/health/ready")
    assert ready.status == 503
    assert (await ready.json())["database"] == "no answer within 0.05 seconds"


async def test_many_askers_cost_one_probe(aiohttp_client: AiohttpClient) -> None:
    database = Engine()
    app = web.Application()
    app.add_routes(Health({"database": database.probe}).routes())
    client = await aiohttp_client(app)
    await asyncio.gather(*(client.get("/health/ready") for _ in range(20)))
    assert database.probes == 1


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def port(stream: io.StringIO) -> tuple[web.Application, Log]:
    metrics, log = Metrics(), Log(Json(), "info", stream)
    app = web.Application(middlewares=[observed(metrics, log), problems])
    app.add_routes([index("https", 9000), metrics_route(metrics)])

    async def fail(_request: web.Request) -> web.Response:
        raise RuntimeError("a secret detail")

    app.router.add_get("/fail", fail)
    return app, log


async def test_every_refusal_is_a_problem(aiohttp_client: AiohttpClient, stream: io.StringIO) -> None:
    app, log = port(stream)
    with log:
        client = await aiohttp_client(app)
        absent = await client.get("/absent")
        assert (absent.status, absent.content_type) == (404, "application/problem+json")
        assert await absent.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "GET /absent: not found.",
        }
        refused = await client.post("/metrics")
        assert (refused.status, refused.headers["Allow"]) == (405, "GET,HEAD")
        failed = await client.get("/fail")
        assert failed.status == 500
        assert "secret" not in await failed.text()

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert next(line for line in lines if "exception" in line)["request_id"] == failed.headers["x-request-id"]
    accesses = {line["operation"]: line for line in lines if line["logger"] == "access"}
    assert accesses["GET /fail"]["status"] == 500
    assert accesses["GET /fail"]["request_id"] == failed.headers["x-request-id"]


async def test_polls_are_counted_but_not_logged(aiohttp_client: AiohttpClient, stream: io.StringIO) -> None:
    app, log = port(stream)
    with log:
        client = await aiohttp_client(app)
        await client.get("/metrics")
        exposition = await (await client.get("/metrics")).text()
    assert 'artifact_store_requests_total{operation="GET /metrics",status="200"} 1.0' in exposition
    assert not [line for line in stream.getvalue().splitlines() if json.loads(line)["logger"] == "access"]


async def test_the_index_points_to_s3_on_the_readers_host(aiohttp_client: AiohttpClient, stream: io.StringIO) -> None:
    app, log = port(stream)
    with log:
        client = await aiohttp_client(app)
        page = await client.get("/", headers={"Host": "store.example.org:9001"})
        assert page.content_type == "text/html"
        assert "https://store.example.org:9000" in await page.text()
        hostile = await client.get("/", headers={"Host": '"><script>:9001'})
        assert "<script>" not in await hostile.text()
