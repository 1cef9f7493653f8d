"""Holds on packages and on file versions."""

from __future__ import annotations

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call
from registry.model import HoldQuery

_CRITERIA = ("repository", "package_id", "version_id", "name", "case_ref", "active")


async def list_all(call: Call) -> web.StreamResponse:
    query = HoldQuery(**{name: call.get(name) for name in _CRITERIA})
    return call.page(await call.registry.holds.list(call.actor, query, **call.place), documents.hold)


async def place(call: Call) -> web.StreamResponse:
    wanted = call.content
    placed = await call.registry.holds.place(
        call.actor,
        package_id=wanted.get("package_id"),
        version_id=wanted.get("version_id"),
        name=wanted["name"],
        reason=wanted["reason"],
        case_ref=wanted.get("case_ref"),
    )
    return call.created(documents.hold(placed))


async def release(call: Call) -> web.StreamResponse:
    released = await call.registry.holds.release(call.actor, call.values["hold_id"], reason=call.content["reason"])
    return call.document(documents.hold(released))
