"""Bodies that are not held in memory, as an answer of an aiohttp application."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from gateway.http.sending import Content, Response


class Streamed(web.StreamResponse):
    """Sends a `gateway.http.sending.Content`; until then middlewares may look at it and add headers."""

    def __init__(self, status: int, headers: Iterable[tuple[str, str]], content: Content) -> None:
        super().__init__(status=status, headers=CIMultiDict(headers))
        if content.length is not None:
            self.content_length = content.length
        self._content = content
        self._keeps_alive = False

    @property
    def keep_alive(self) -> bool | None:
        return self._keeps_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        headers = [(name, value) for name, value in self.headers.items() if name != hdrs.CONTENT_LENGTH]
        response = Response(self.status, headers, self._content)
        await response.send(request)
        self._keeps_alive = response.keep_alive
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """`prepare` sent everything."""
