"""The caller's account."""

from __future__ import annotations

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call


async def who_am_i(call: Call) -> web.StreamResponse:
    return call.document(documents.caller(call.actor))
