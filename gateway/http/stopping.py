"""Ending a server in good order: requests that have begun are answered, whatever is still to come of their bodies."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

_LAST_ARRIVALS = 0.05
"""Seconds for requests that have reached this machine to be read, before idle connections are closed."""
_LOOK_AGAIN = 0.02
_LAST_SECONDS = 1.0
"""Seconds after the grace time for what was cut off to clean up behind itself."""


async def finish(server: web.Server, grace_time: float) -> None:
    """Answer what is in flight within `grace_time` seconds, then cut off the rest. Its listener is closed already."""
    await asyncio.sleep(_LAST_ARRIVALS)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace_time):
            while server.connections:
                for connection in server.connections:
                    _close_when_possible(connection)
                await asyncio.sleep(_LOOK_AGAIN)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2 * _LAST_SECONDS):
            await server.shutdown(_LAST_SECONDS)


def _close_when_possible(connection: RequestHandler) -> None:
    # aiohttp has no public way to ask what a connection is at.
    request, waiting = connection._current_request, connection._messages  # noqa: SLF001
    if request is None and not waiting:
        connection.close()
        if connection.transport is not None:
            connection.transport.close()
    elif request is not None and request.content.is_eof():
        # Told to close, it reads nothing more: not before the request's body is here.
        connection.close()
