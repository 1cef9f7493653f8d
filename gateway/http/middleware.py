"""What happens around every request to the registry's port: an id, a count, a line in the log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.http.logging import Access, Log, request_id
from gateway.http.metrics import Metrics

ACCESS_KEY = web.RequestKey("access_key", str)
"""Where a face leaves the access key that a request was proven to be of."""

_POLLED = ("/health/", "/metrics")
"""Asked for every few seconds by machines: counted, not logged."""


def observed(metrics: Metrics, log: Log) -> Middleware:
    """Give each request an id, which comes back as `x-request-id`; count, time and log it."""

    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        identifier = secrets.token_hex(8).upper()
        token = request_id.set(identifier)
        route = request.match_info.route.resource
        operation = f"{request.method} {route.canonical}" if route is not None else "unknown"
        began, status, sent = time.perf_counter(), 500, 0
        metrics.started(operation)
        try:
            answer = await handler(request)
            answer.headers["x-request-id"] = identifier
            status, sent = answer.status, answer.content_length or 0
            return answer
        finally:
            seconds, received = time.perf_counter() - began, request.content_length or 0
            metrics.finished(operation, status, seconds, received, sent)
            if log.accesses and not request.path.startswith(_POLLED):
                log.access(
                    Access(
                        request_id=identifier,
                        method=request.method,
                        path=request.rel_url.raw_path,
                        operation=operation,
                        status=status,
                        seconds=seconds,
                        bytes_in=received,
                        bytes_out=sent,
                        remote=request.remote,
                        access_key=request.get(ACCESS_KEY),
                    )
                )
            request_id.reset(token)

    return middleware
