"""The load client counts what a server really answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from bench.load import Client, Load
from bench.request import MIB, UNIQUE, Body, Request, write_filler

Answer = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    directory = tmp_path_factory.mktemp("load")
    filler = directory / "filler"
    write_filler(filler, MIB)
    return Client.compile(directory / "cache", directory, filler)


@asynccontextmanager
async def _server(answer: Answer) -> AsyncIterator[tuple[str, int]]:
    """`answer` gets a request's head and says whether the connection stays."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await answer(await reader.readuntil(b"\r\n\r\n"), reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]


async def _load(client: Client, answer: Answer, requests: list[Request], clients: int = 3) -> Load:
    client.prepare(requests)
    async with _server(answer) as address:
        return await asyncio.to_thread(client.run, address, clients)


def _gets(count: int) -> list[Request]:
    return [Request.of("GET", f"/{i}", []) for i in range(count)]


@pytest.mark.parametrize("size", [4096, MIB])
async def test_bodies_arrive_whole_and_differ(client: Client, size: int) -> None:
    bodies = [Body.fresh(client.filler, size) for _ in range(8)]
    received: list[bytes] = []

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        received.append(await reader.readexactly(size))
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        return True

    load = await _load(client, answer, [Request.of("PUT", "/", [], body) for body in bodies])
    start = client.filler.read_bytes()[: size - UNIQUE]
    assert sorted(received) == sorted(start + body.unique for body in bodies)
    assert (load.requests, load.statuses, load.errors) == (8, {"201": 8}, 0)


async def test_answers_with_a_length_are_counted(client: Client) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + b"x" * 300_000)
        return True

    load = await _load(client, answer, _gets(20))
    assert (load.requests, load.bytes_received, load.errors) == (20, 20 * 300_000, 0)
    assert 0 < load.p50_us <= load.p99_us <= load.max_us


async def test_chunked_answers_are_followed_to_their_end(client: Client) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1A;x=y\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"z" * 26 + b"\r\n0\r\nX-Trailer: a\r\n\r\n")
        return True

    load = await _load(client, answer, _gets(9))
    assert (load.requests, load.bytes_received, load.errors) == (9, 9 * 31, 0)


async def test_refusals_and_lost_connections_are_errors(client: Client) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if head.startswith(b"GET /0 "):
            writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow")
            return False
        if head.startswith(b"GET /1 "):
            return False
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        return True

    load = await _load(client, answer, _gets(10), clients=1)
    assert load.statuses == {"503": 1, "204": 8}
    assert (load.closed, load.errors) == (1, 2)


async def test_a_body_refused_early_is_not_waited_for(client: Client) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        return False

    body = Body.fresh(client.filler, MIB)
    load = await _load(client, answer, [Request.of("PUT", "/", [], body)], clients=1)
    assert load.requests + load.closed == 1
    assert load.errors == 1


async def test_requests_are_repeated_until_the_time_is_over(client: Client) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    client.prepare(_gets(3))
    async with _server(answer) as address:
        load = await asyncio.to_thread(client.run, address, 2, seconds=0.2, repeat=True)
    assert load.requests > 3
    assert 0.15 < load.seconds < 2
    assert load.errors == 0


def test_a_digest_is_that_of_the_body_sent(tmp_path: Path) -> None:
    filler = tmp_path / "filler"
    write_filler(filler, MIB)
    body = Body.fresh(filler, 5000)
    assert body.sha256() == sha256(filler.read_bytes()[: 5000 - UNIQUE] + body.unique).hexdigest()
