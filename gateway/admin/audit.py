"""The audit: in pages, and as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call, encode
from gateway.admin.streaming import Streamed
from gateway.http.sending import Generated
from registry.model import AuditEntry, AuditQuery, Page
from registry.timestamps import parse_timestamp

_PLAIN = (
    "actor",
    "access_key",
    "source_address",
    "request_id",
    "action",
    "outcome",
    "repository",
    "resource",
    "package_id",
    "version_id",
)


async def list_all(call: Call) -> web.StreamResponse:
    return call.page(await call.registry.audit.query(call.actor, _query(call), **call.place), documents.audit_entry)


async def export(call: Call) -> web.StreamResponse:
    # The first page is read before the answer begins, so that a refusal is still a problem document.
    first = await call.registry.audit.query(call.actor, _query(call), **call.place)
    headers = [("Content-Type", "application/x-ndjson")]
    if call.request.method == "HEAD":
        return web.Response(headers=headers)
    return Streamed(200, headers, Generated(_lines(call, first)))


async def _lines(call: Call, page: Page[AuditEntry]) -> AsyncIterator[bytes]:
    while True:
        if page.items:
            yield b"".join(encode(documents.audit_entry(entry)) for entry in page.items)
        if page.next is None:
            return
        page = await call.registry.audit.query(call.actor, _query(call), after=page.next, limit=call.values["limit"])


def _query(call: Call) -> AuditQuery:
    criteria: dict[str, Any] = {name: call.get(name) for name in _PLAIN}
    criteria |= {name: parse_timestamp(call.values[name]) for name in ("since", "until") if name in call.values}
    return AuditQuery(**criteria)
