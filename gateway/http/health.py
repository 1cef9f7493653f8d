"""`/health/live`: the process answers. `/health/ready`: it can do its work, database and store included."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

Probe = Callable[[], Awaitable[None]]
"""Proves that something works; raises with the reason when it does not."""

_TIMEOUT = 5.0
_FRESH = 1.0
"""For so many seconds a result is given again, so that many askers cost no more than one."""


class Health:
    """The two health endpoints over named probes."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = probes
        self._lock = asyncio.Lock()
        self._results: dict[str, str] = {}
        self._probed_at = float("-inf")

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/health/live", self.live), web.get("/health/ready", self.ready)]

    async def live(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """200 when every probe succeeds; else 503, saying of each one whether it works and what fails."""
        results = await self._probed()
        ready = all(result == "ok" for result in results.values())
        return web.json_response({"status": "ok" if ready else "unavailable", **results}, status=200 if ready else 503)

    async def _probed(self) -> dict[str, str]:
        async with self._lock:
            if time.monotonic() - self._probed_at >= _FRESH:
                outcomes = await asyncio.gather(*(_outcome(probe) for probe in self._probes.values()))
                self._results = dict(zip(self._probes, outcomes, strict=True))
                self._probed_at = time.monotonic()
            return self._results


async def _outcome(probe: Probe) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT):
            await probe()
    except TimeoutError:
        return f"no answer within {_TIMEOUT:g} seconds"
    except Exception as error:  # noqa: BLE001  (whatever it is, it is why the server is not ready)
        return str(error) or type(error).__name__
    return "ok"
