"""The jobs of a real server: what is told goes out, whichever worker dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import pytest
from aiohttp import web
from botocore.config import Config

from tests.conftest import StartServer
from tests.services.server import Server


class Receiver:
    def __init__(self) -> None:
        self.url = ""
        self.keys: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        document = json.loads(await request.read())
        assert request.headers["webhook-signature"].startswith("v1,")
        self.keys.append(document["data"]["key"])
        return web.Response(status=204)

    async def until(self, keys: list[str]) -> None:
        async with asyncio.timeout(60):
            while self.keys[-len(keys) :] != keys:
                await asyncio.sleep(0.05)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/hook", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield found
    await runner.cleanup()


def client(server: Server) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 5, "mode": "standard"}),
    )


def workers(server: Server) -> list[int]:
    """The processes that serve, by the supervisor's word."""
    path = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(word) for word in path.read_text(encoding="ascii").split()]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_events_reach_their_webhooks_whichever_worker_dies(
    start_server: StartServer, receiver: Receiver, database: str, request: pytest.FixtureRequest
) -> None:
    settings: dict[str, object] = {"workers": 2, "webhook_loopback": "allow"}
    if database == "postgresql":
        fresh: Callable[[], str] = request.getfixturevalue("fresh_database")
        settings["database_url"] = fresh()
    server = await asyncio.to_thread(start_server, **settings)
    s3 = client(server)
    await asyncio.to_thread(s3.create_bucket, Bucket="evidence")
    headers = {"Authorization": aiohttp.encode_basic_auth(server.access_key, server.secret_key)}
    async with aiohttp.ClientSession(headers=headers) as session:
        wanted = {"url": receiver.url, "events": ["file.put"], "repository": "evidence"}
        async with session.post(f"{server.registry_url}/api/v1/webhooks", json=wanted) as answer:
            assert answer.status == 201, await answer.text()
            assert (await answer.json())["secret"].startswith("whsec_")

    async def put(key: str) -> None:
        await asyncio.to_thread(s3.put_object, Bucket="evidence", Key=key, Body=key.encode())

    await put("run/first")
    await receiver.until(["run/first"])
    # One of them holds the lease: after both are gone, each in its turn, somebody has taken over.
    for number, worker in enumerate(workers(server)):
        os.kill(worker, signal.SIGKILL)
        await put(f"run/{number}/a")
        await put(f"run/{number}/b")
        await receiver.until([f"run/{number}/a", f"run/{number}/b"])
