"""Answers on their way out: bytes from memory, files by sendfile, and a body that is still being made.

A body is sent whole or the connection is cut: no client mistakes a part for the whole.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol, TypeVar

from aiohttp import HttpVersion11, web

_T = TypeVar("_T")

WINDOW = 64 * 1024 * 1024
"""Bytes of a file whose extents are asked for at once: a file of many parts does not open all of them."""
QUANTUM = 8 * 1024 * 1024
"""Bytes that one turn in a thread sends at most, so that a fast client does not keep the thread."""
STALL_TIMEOUT = 60.0
"""Seconds without a byte taken by the client before it is given up, unless a `Sender` says otherwise."""

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Extent(Protocol):
    """A stretch of an open file."""

    @property
    def fd(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def length(self) -> int: ...


class Reader(Protocol):
    """An open blob; see `backends.store.BlobReader`."""

    def extents(self, start: int, stop: int) -> Sequence[Extent] | None: ...
    def stream(self, start: int, stop: int) -> AsyncIterator[bytes | bytearray | memoryview]: ...
    async def close(self) -> None: ...


class Content(Protocol):
    """A body that is not simply bytes. Sends the head with its first bytes. Raises where it cannot send all."""

    @property
    def length(self) -> int | None:
        """None: not known, sent in chunks."""

    async def send(self, request: web.BaseRequest, head: bytes) -> None: ...

    async def close(self) -> None:
        """Let go of what it holds, sent or not."""


class Response:
    """An answer. Content-Length, Date, Server and Connection are added while sending."""

    __slots__ = ("_sent", "body", "close", "headers", "keep_alive", "status")

    def __init__(
        self,
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | Content = b"",
        *,
        close: bool = False,
    ) -> None:
        self.status = status
        self.headers = list(headers)
        self.body = body
        self.close = close
        """Close the connection afterwards."""
        self.keep_alive = False
        self._sent = False

    @property
    def length(self) -> int:
        """Bytes of the body, 0 where not known."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.length or 0

    async def send(self, request: web.BaseRequest) -> None:
        """Send everything. Raises ConnectionError when the client is gone or stalls, anything else when the body
        failed; then the connection is cut already."""
        self._sent = True
        self.keep_alive = request.keep_alive and not self.close
        try:
            if isinstance(self.body, bytes):
                bodiless = request.method == "HEAD"
                await _write(request, self._head(request, len(self.body)) + (b"" if bodiless else self.body))
                await _drain(request, STALL_TIMEOUT)
            else:
                await self.body.send(request, self._head(request, self.body.length))
        except BaseException:
            self.keep_alive = False
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            if not isinstance(self.body, bytes):
                await self.body.close()

    async def prepare(self, request: web.BaseRequest) -> None:
        """aiohttp's call to send; does nothing for what has been sent already."""
        if not self._sent:
            await self.send(request)

    async def write_eof(self) -> None:
        """aiohttp's call to end; `send` did."""

    def _head(self, request: web.BaseRequest, length: int | None) -> bytes:
        lines = [f"{name}: {value}\r\n" for name, value in self.headers]
        if length is None:
            lines.append("Transfer-Encoding: chunked\r\n")
        elif self.status not in _BODILESS:
            lines.append(f"Content-Length: {length}\r\n")
        if not self.keep_alive:
            lines.append("Connection: close\r\n")
        elif request.version < HttpVersion11:
            lines.append("Connection: keep-alive\r\n")
        head = "".join(lines)
        if head.count("\n") != len(lines) or head.count("\r") != len(lines) or "\0" in head:
            raise ValueError("a header holds a line break")
        return (_STATUS_LINES[self.status] + head + _date_and_server() + "\r\n").encode("utf-8", "surrogateescape")


class Sender:
    """Sends stored files. `stall_timeout`: seconds a client may take no byte. One per event loop; close it."""

    def __init__(self, *, stall_timeout: float = STALL_TIMEOUT, threads: int = 4) -> None:
        self.stall_timeout = stall_timeout
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="sendfile")

    def file(self, reader: Reader, start: int, stop: int) -> StoredFile:
        """Bytes [start, stop) of an open blob as a body; it closes the reader."""
        return StoredFile(self, reader, start, stop)

    async def run(self, transfer: _Transfer) -> None:
        """Send a transfer to its end."""
        loop = asyncio.get_running_loop()
        while not await _settled(loop.run_in_executor(self._threads, transfer.push)):
            await _writable(loop, transfer.socket, self.stall_timeout)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=True)


class StoredFile:
    """A stretch of a stored file as a body."""

    __slots__ = ("_reader", "_sender", "_start", "_stop")

    def __init__(self, sender: Sender, reader: Reader, start: int, stop: int) -> None:
        self._sender = sender
        self._reader = reader
        self._start = start
        self._stop = stop

    @property
    def length(self) -> int:
        return self._stop - self._start

    async def send(self, request: web.BaseRequest, head: bytes) -> None:
        first = None
        if request.transport is not None and request.transport.get_extra_info("sslcontext") is None:
            first = self._reader.extents(self._start, min(self._stop, self._start + WINDOW))
        if first is None:
            await self._send_stream(request, head)
        else:
            await self._send_extents(request, head, first)

    async def close(self) -> None:
        await self._reader.close()

    async def _send_stream(self, request: web.BaseRequest, head: bytes) -> None:
        await _write(request, head)
        sent = 0
        async for piece in self._reader.stream(self._start, self._stop):
            await _write(request, piece)
            await _drain(request, self._sender.stall_timeout)
            sent += len(piece)
        if sent != self.length:
            raise OSError(f"the stored file gave {sent} bytes of {self.length}")

    async def _send_extents(self, request: web.BaseRequest, head: bytes, extents: Sequence[Extent]) -> None:
        await _flush(request, self._sender.stall_timeout)
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        # Its own descriptor: the event loop may close the transport's while a thread is sending.
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as duplicate:
            position = self._start
            while True:
                await self._sender.run(_Transfer(duplicate, head, extents))
                # A blob of many files gives its beginning only.
                position += sum(extent.length for extent in extents)
                if position == self._stop:
                    return
                head = b""
                extents = self._reader.extents(position, min(self._stop, position + WINDOW)) or ()
                if not extents:
                    raise OSError(f"the stored file ends {self._stop - position} bytes too early")


class Generated:
    """A body that is still being made, sent in chunks as it comes."""

    length = None

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    async def send(self, request: web.BaseRequest, head: bytes) -> None:
        await _write(request, head)
        async for piece in self._pieces:
            await _write(request, b"%x\r\n%b\r\n" % (len(piece), piece))
            await _drain(request, STALL_TIMEOUT)
        await _write(request, b"0\r\n\r\n")

    async def close(self) -> None:
        """Nothing is held."""


class Unsent:
    """A body of known length that a HEAD asks about."""

    def __init__(self, length: int) -> None:
        self.length = length

    async def send(self, request: web.BaseRequest, head: bytes) -> None:
        """Send the head alone."""
        await _write(request, head)

    async def close(self) -> None:
        """Nothing is held."""


class _Transfer:
    """A head and stretches of files on their way into a socket, without blocking."""

    def __init__(self, duplicate: socket.socket, head: bytes, extents: Sequence[Extent]) -> None:
        self.socket = duplicate
        self._head = memoryview(head)
        self._rest = deque((extent.fd, extent.offset, extent.length) for extent in extents)

    def push(self) -> bool:
        """Send what the socket takes; True when everything is sent. Runs in a thread."""
        allowance = QUANTUM
        try:
            while self._head:
                self._head = self._head[self.socket.send(self._head, socket.MSG_MORE) :]
            while self._rest and allowance > 0:
                fd, offset, length = self._rest.popleft()
                try:
                    sent = os.sendfile(self.socket.fileno(), fd, offset, min(length, allowance))
                except BlockingIOError:
                    self._rest.appendleft((fd, offset, length))
                    return False
                if sent == 0:
                    raise OSError(f"a stored file ends {length} bytes too early")
                allowance -= sent
                if sent < length:
                    self._rest.appendleft((fd, offset + sent, length - sent))
        except BlockingIOError:
            return False
        return not self._rest


async def _write(request: web.BaseRequest, piece: bytes | bytearray | memoryview) -> None:
    await request.writer.write(piece, drain=False)  # type: ignore[call-arg]  # the parameter is StreamWriter's


async def _drain(request: web.BaseRequest, stall_timeout: float) -> None:
    """Wait until the client has taken enough for more to be written."""
    if request.protocol.writing_paused:
        try:
            async with asyncio.timeout(stall_timeout):
                await request.writer.drain()
        except TimeoutError:
            raise ConnectionAbortedError("the client takes no bytes") from None


async def _flush(request: web.BaseRequest, stall_timeout: float) -> None:
    """Wait until what was written before has left, so that bytes sent past the transport come after it."""
    transport = request.transport
    if transport is not None and transport.get_write_buffer_size() > 0:
        transport.set_write_buffer_limits(high=0)
        await _drain(request, stall_timeout)
        if request.transport is not None:
            transport.set_write_buffer_limits()


async def _settled(future: asyncio.Future[_T]) -> _T:
    """The future's result. When cancelled, waits for it first: a thread still uses what is about to be closed."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


async def _writable(loop: asyncio.AbstractEventLoop, duplicate: socket.socket, stall_timeout: float) -> None:
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(duplicate, _fulfil, ready)
    try:
        async with asyncio.timeout(stall_timeout):
            await ready
    except TimeoutError:
        raise ConnectionAbortedError("the client takes no bytes") from None
    finally:
        loop.remove_writer(duplicate)


def _fulfil(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class _Clock:
    """The lines that are the same for every answer within a second."""

    second = 0
    lines = ""


def _date_and_server() -> str:
    now = int(time.time())
    if now != _Clock.second:
        _Clock.second = now
        _Clock.lines = f"Date: {formatdate(now, usegmt=True)}\r\nServer: artifact-store\r\n"
    return _Clock.lines
