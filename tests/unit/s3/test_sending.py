"""Stored files on their way out: by sendfile and by stream, whole or cut."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvloop
from aiohttp import web

from gateway.http import sending
from gateway.http.sending import Generated, Response, Sender
from gateway.http.server import Server
from tests.services.certificate import Certificate

DATA = bytes(range(256)) * 12_000
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Extent(NamedTuple):
    fd: int
    offset: int
    length: int


class File:
    """A blob in a file, given out in extents of `step` bytes; `missing` bytes at its end are not there."""

    def __init__(self, path: Path, *, step: int = 100_000, missing: int = 0, extents: bool = True) -> None:
        self._file = path.open("rb")
        self._step = step
        self._missing = missing
        self._extents = extents
        self.asked: list[tuple[int, int]] = []
        self.streamed = False

    def extents(self, start: int, stop: int) -> list[Extent] | None:
        self.asked.append((start, stop))
        if not self._extents:
            return None
        fd = self._file.fileno()
        return [Extent(fd, at, min(self._step, stop - at)) for at in range(start, stop, self._step)]

    async def stream(self, start: int, stop: int) -> AsyncIterator[bytes]:
        self.streamed = True
        self._file.seek(start)
        for at in range(start, stop - self._missing, self._step):
            yield self._file.read(min(self._step, stop - self._missing - at))

    async def close(self) -> None:
        self._file.close()

    @property
    def closed(self) -> bool:
        return self._file.closed


class OneAnswer:
    """A face that gives the answer it is told to."""

    def __init__(self, answer: Callable[[], Response]) -> None:
        self._answer = answer
        self.failures: list[BaseException] = []

    async def __call__(self, request: web.BaseRequest) -> Response:
        response = self._answer()
        try:
            await response.send(request)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failures.append(error)
        return response

    def refusal(self, error: BaseException | None) -> Response:
        raise AssertionError(error)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    return path


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine on either event loop."""
    return uvloop.run if request.param == "uvloop" else asyncio.run


Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, Any]]


async def serve(face: OneAnswer, session: Session, certificate: Certificate | None = None) -> Any:
    """What a client's session with a server of the face gives."""
    loop = asyncio.get_running_loop()
    server = Server(face, lingering_time=0.1)
    context = None
    trusted = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.certificate, certificate.key)
        trusted = ssl.create_default_context(cafile=str(certificate.certificate))
    listener = await loop.create_server(server, "127.0.0.1", 0, ssl=context)
    host, port = listener.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port, ssl=trusted)
    try:
        async with asyncio.timeout(20):
            return await session(reader, writer)
    finally:
        writer.close()
        listener.close()
        await server.shutdown(1)


async def receive(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[bytes]:
    """Two pipelined requests, and what comes back."""
    writer.write(GET * 2)
    return [(await receive(reader))[1] for _ in range(2)]


@pytest.mark.parametrize(("start", "stop"), [(0, len(DATA)), (123_456, 2_345_678), (5, 6)])
def test_sendfile(run: Any, path: Path, start: int, stop: int) -> None:
    files: list[File] = []

    async def main() -> list[bytes]:
        sender = Sender()

        def answer() -> Response:
            files.append(File(path))
            return Response(200, [("x-test", "1")], sender.file(files[-1], start, stop))

        found: list[bytes] = await serve(OneAnswer(answer), twice)
        sender.close()
        return found

    assert run(main()) == [DATA[start:stop]] * 2
    assert [(file.streamed, file.closed) for file in files] == [(False, True)] * 2


def test_extents_are_asked_for_in_windows(run: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "WINDOW", 1_000_000)
    monkeypatch.setattr(sending, "QUANTUM", 150_000)
    file = File(path)

    async def main() -> Any:
        sender = Sender()

        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
            writer.write(GET)
            return (await receive(reader))[1]

        found = await serve(OneAnswer(lambda: Response(200, (), sender.file(file, 10, len(DATA)))), once)
        sender.close()
        return found

    assert run(main()) == DATA[10:]
    assert file.asked == [(10, 1_000_010), (1_000_010, 2_000_010), (2_000_010, 3_000_010), (3_000_010, len(DATA))]


@pytest.mark.parametrize("tls", [False, True])
def test_where_there_are_no_extents_and_over_tls_it_streams(
    run: Any, path: Path, certificate: Certificate, *, tls: bool
) -> None:
    files: list[File] = []

    async def main() -> list[bytes]:
        sender = Sender()

        def answer() -> Response:
            files.append(File(path, extents=tls))
            return Response(200, (), sender.file(files[-1], 1, len(DATA)))

        found: list[bytes] = await serve(OneAnswer(answer), twice, certificate if tls else None)
        sender.close()
        return found

    assert run(main()) == [DATA[1:]] * 2
    assert [(file.streamed, file.closed) for file in files] == [(True, True)] * 2


@pytest.mark.parametrize("extents", [True, False])
def test_a_file_that_is_too_short_cuts_the_connection(run: Any, path: Path, *, extents: bool) -> None:
    file = File(path, missing=10, extents=extents)
    stop = len(DATA) + 1_000_000 if extents else len(DATA)

    async def main() -> tuple[OneAnswer, int]:
        sender = Sender()
        face = OneAnswer(lambda: Response(200, (), sender.file(file, 0, stop)))

        async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)) as cut:
                await reader.readexactly(stop)
            return len(getattr(cut.value, "partial", b""))

        received = await serve(face, session)
        sender.close()
        return face, received

    face, received = run(main())
    assert received < stop
    assert isinstance(face.failures[0], OSError)
    assert file.closed


def test_a_client_that_takes_nothing_is_given_up(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as large:
        large.truncate(200 << 20)
    file = File(path, step=10 << 20)

    async def main() -> OneAnswer:
        sender = Sender(stall_timeout=0.2)
        face = OneAnswer(lambda: Response(200, (), sender.file(file, 0, 200 << 20)))

        async def session(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(GET)
            while not face.failures:
                await asyncio.sleep(0.05)

        await serve(face, session)
        sender.close()
        return face

    assert isinstance(run(main()).failures[0], ConnectionAbortedError)
    assert file.closed


def test_a_client_that_leaves_is_noticed(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as large:
        large.truncate(200 << 20)
    file = File(path, step=10 << 20)

    async def main() -> OneAnswer:
        sender = Sender(stall_timeout=10)
        face = OneAnswer(lambda: Response(200, (), sender.file(file, 0, 200 << 20)))

        async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(GET)
            await reader.readexactly(1000)
            writer.transport.abort()
            while not face.failures:
                await asyncio.sleep(0.05)

        await serve(face, session)
        sender.close()
        return face

    assert isinstance(run(main()).failures[0], ConnectionError)
    assert file.closed


def test_a_body_that_is_still_being_made(run: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one", b" ", b"two"):
            yield piece
            await asyncio.sleep(0)

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(GET)
        return await reader.readuntil(b"0\r\n\r\n")

    async def main() -> Any:
        return await serve(OneAnswer(lambda: Response(200, (), Generated(pieces()))), session)

    head, _, body = run(main()).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    assert body == b"3\r\none\r\n1\r\n \r\n3\r\ntwo\r\n0\r\n\r\n"


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"])
def test_a_header_cannot_hold_a_line_break(run: Any, value: str) -> None:
    face = OneAnswer(lambda: Response(200, [("x-test", value)]))

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(GET)
        return await reader.read()

    async def main() -> Any:
        return await serve(face, session)

    with contextlib.suppress(ConnectionResetError):
        assert run(main()) == b""
    assert isinstance(face.failures[0], ValueError)


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_length(run: Any, status: int) -> None:
    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(GET)
        return await reader.readuntil(b"\r\n\r\n")

    async def main() -> Any:
        return await serve(OneAnswer(lambda: Response(status)), session)

    assert b"Content-Length" not in run(main())
