"""The HTTP server of a face that owns its whole URL space: no router, no middleware, the raw path as it came.

aiohttp parses and keeps connections; everything that is said to a client, a parse error too, the face says.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from gateway.http.sending import Response

MAX_LINE = 32 * 1024
"""Bytes of the request line, and of one header with its name."""
MAX_HEADERS = 512

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Face(Protocol):
    """What a server serves."""

    async def __call__(self, request: web.BaseRequest) -> Response:
        """Answer a request. Raises nothing but CancelledError."""

    def refusal(self, error: BaseException | None) -> Response:
        """The answer to what could not be parsed as HTTP; the connection closes after it."""


class Connection(RequestHandler):
    """One client's connection."""

    __slots__ = ("_face", "_header_timeout", "_header_timer", "_last_body")

    def __init__(self, server: Server, face: Face, header_timeout: float, **options: Any) -> None:
        super().__init__(server, **options)
        self._face = face
        self._header_timeout = header_timeout
        self._header_timer: asyncio.TimerHandle | None = None
        self._last_body: StreamReader = EMPTY_PAYLOAD

    def give_up_body(self, *, wait: bool) -> None:
        """Nobody reads the rest of the current body. With `wait` it is read past for the lingering time, so that a
        client that is still sending reads the answer; without, the connection closes at once after the answer."""
        self._last_body = EMPTY_PAYLOAD
        if not wait:
            self._lingering_time = 0.0

    def data_received(self, data: bytes) -> None:
        heads, between_requests = self._request_count, self._last_body.is_eof()
        super().data_received(data)
        if self._request_count > heads:
            self._stop_header_timer()
            message, body = self._messages[-1]
            if isinstance(message, RawRequestMessage):
                self._last_body = body
            else:
                # Nothing that could be read follows: who waits for the rest of a body would wait for ever.
                self._fail_body("the framing of the request is broken")
        elif data and between_requests and self._header_timer is None:
            self._header_timer = self._loop.call_later(self._header_timeout, self._header_late)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio lets it say whether to stay open
        if self._is_idle() or self._request_count == 0 or self.ssl_context is not None:
            return False
        # The client has said its last word but may still listen: answer, then close.
        self._fail_body("the request was cut short")
        self.close()
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_header_timer()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,  # noqa: ARG002
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        return cast(web.StreamResponse, self._face.refusal(exc))

    def _header_late(self) -> None:
        self._header_timer = None
        if self._is_idle():
            self.force_close()
        else:  # the answer to the request before it takes long: that is not the client's fault
            self._header_timer = self._loop.call_later(self._header_timeout, self._header_late)

    def _is_idle(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _fail_body(self, reason: str) -> None:
        # Of all bodies only the last can be unfinished.
        if not self._last_body.is_eof():
            self._last_body.set_exception(RequestPayloadError(reason))


class Server(web.Server):
    """Serves one face; give it to `loop.create_server` as the protocol factory.

    Times are in seconds: `header_timeout` for all lines of a request's head once it has begun, `keepalive_timeout`
    for an idle connection, `lingering_time` for a body that is not wanted any more.
    """

    def __init__(
        self,
        face: Face,
        *,
        header_timeout: float = 20.0,
        keepalive_timeout: float = 75.0,
        lingering_time: float = 2.0,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(cast(Any, face), loop=loop)
        self._face = face
        self._header_timeout = header_timeout
        self._options: dict[str, Any] = {
            "keepalive_timeout": keepalive_timeout,
            "lingering_time": lingering_time,
            "access_log": None,
            "auto_decompress": False,
            "max_line_size": MAX_LINE,
            "max_field_size": MAX_LINE,
            "max_headers": MAX_HEADERS,
        }

    def __call__(self) -> Connection:
        return Connection(self, self._face, self._header_timeout, loop=self._loop, **self._options)


class OrderedBody:
    """The body of a request that waits to be told to send it (`Expect: 100-continue`): the first read tells it."""

    __slots__ = ("_content", "_transport", "asked")

    def __init__(self, request: web.BaseRequest) -> None:
        self._content = request.content
        self._transport = request.transport
        self.asked = False

    @classmethod
    def of(cls, request: web.BaseRequest) -> OrderedBody | None:
        """The body to be asked for, where the client waits for that."""
        expect = request.headers.get("Expect")
        if expect is None or expect.strip().lower() != "100-continue" or request.version < (1, 1):
            return None
        body = cls(request)
        if body.is_eof():
            # No byte is missing, but aws cli v1 would misread the next answer on a connection that said no 100 first.
            body.ask()
        return body

    def ask(self) -> None:
        """Tell the client to send the body; once."""
        if not self.asked:
            self.asked = True
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write(_CONTINUE)

    def is_eof(self) -> bool:
        return self._content.is_eof()

    async def readany(self) -> bytes:
        self.ask()
        return await self._content.readany()
