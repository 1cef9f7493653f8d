"""Deliveries go where they may, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gateway.outgoing import RefusedAddressError, check_address, outgoing
from registry.jobs.outbox import DeliveryError


class Receiver:
    def __init__(self) -> None:
        self.address = ""
        self.seen: list[tuple[str, dict[str, str], bytes]] = []

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/slow":
            await asyncio.sleep(1)
        if request.path == "/elsewhere":
            raise web.HTTPFound("/hook")
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((request.path, headers, await request.read()))
        return web.Response(status=int(request.query.get("status", "204")))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def test_a_delivery_arrives_as_it_was_signed(receiver: Receiver) -> None:
    async with outgoing(loopback=True) as sender:
        status = await sender.deliver(f"{receiver.address}/hook?status=202", {"webhook-id": "7"}, b'{"a": 1}')
    assert status == 202
    path, headers, body = receiver.seen[0]
    assert (path, headers["webhook-id"], body) == ("/hook", "7", b'{"a": 1}')
    assert headers["user-agent"] == "artifact-store"


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    async with outgoing(loopback=True) as sender:
        assert await sender.deliver(f"{receiver.address}/elsewhere", {}, b"") == 302
    assert receiver.seen == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_this_machine_is_refused_unless_allowed(receiver: Receiver, host: str) -> None:
    port = receiver.address.rpartition(":")[2]
    async with outgoing() as sender:
        with pytest.raises(DeliveryError, match=r"not allowed|not a canonical"):
            await sender.deliver(f"http://{host}:{port}/hook", {}, b"")
    assert receiver.seen == []


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_addresses_that_are_never_sent_to(address: str) -> None:
    with pytest.raises(RefusedAddressError):
        check_address(address, loopback=True)


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.0.9", "93.184.215.14", "2001:db8::1", "fd12::1"])
def test_addresses_of_receivers(address: str) -> None:
    check_address(address, loopback=False)


async def test_no_answer_is_told(receiver: Receiver) -> None:
    async with outgoing(loopback=True, seconds=0.2) as sender:
        with pytest.raises(DeliveryError, match=r"no answer within 0\.2 seconds"):
            await sender.deliver(f"{receiver.address}/slow", {}, b"")
        with pytest.raises(DeliveryError, match="could not be sent"):
            await sender.deliver("http://127.0.0.1:1/", {}, b"")
