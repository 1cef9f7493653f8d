"""Health and usage of what rows and bytes are kept in."""

from __future__ import annotations

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call


async def get_health(call: Call) -> web.StreamResponse:
    checks = await call.registry.storage.health()
    return call.document({"healthy": not any(checks.values()), "checks": checks})


async def get_usage(call: Call) -> web.StreamResponse:
    return call.document(documents.storage_usage(await call.registry.storage.usage(call.actor)))
