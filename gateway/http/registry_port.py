"""Connections to the registry's port, on which what is no HTTP is refused like everything else: in problem details."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.http.problem import problem
from gateway.http.server import MAX_LINE

LOG = logging.getLogger(__name__)


def connections(server: web.Server) -> Callable[[], RequestHandler]:
    """The protocol factory for an application's server. Bodies come as they were sent, encoded or not."""
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {
        "access_log": None,
        "auto_decompress": False,
        "max_line_size": MAX_LINE,
        "max_field_size": MAX_LINE,
    }
    return lambda: _Connection(server, loop=loop, **options)


class _Connection(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it would echo what was sent, whatever its size
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        identifier = secrets.token_hex(8).upper()
        named = {"instance": f"urn:request:{identifier}"}
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            LOG.error("a request to the registry's port failed", exc_info=exc, extra={"id": identifier})
            answer = problem(status, "The server failed to answer; its log says why.", code="internal_error", **named)
        else:
            reason = str(getattr(exc, "message", "")).strip().partition("\n")[0].rstrip(":.")
            detail = f"The request is not well-formed HTTP: {reason}." if reason else "The request is no HTTP."
            answer = problem(status, detail, code="invalid_request", **named)
        answer.headers["x-request-id"] = identifier
        answer.force_close()
        return answer
