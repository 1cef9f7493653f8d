"""Retention of packages, and the classes."""

from __future__ import annotations

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call
from registry.durations import parse_duration
from registry.model import HoldQuery
from registry.timestamps import parse_timestamp

_MOST_HOLDS = 1000


async def get(call: Call) -> web.StreamResponse:
    package = await call.registry.packages.get(call.actor, call.values["package_id"])
    query = HoldQuery(package_id=package.id, active=True)
    held = await call.registry.holds.list(call.actor, query, after=None, limit=_MOST_HOLDS)
    return call.document(
        {
            "retention_class": package.retention_class,
            "expires_at": documents.moment(package.expires_at),
            "holds": [documents.hold(hold) for hold in held.items],
        }
    )


async def extend(call: Call) -> web.StreamResponse:
    wanted = call.content
    changed = await call.registry.retention.extend(
        call.actor,
        call.values["package_id"],
        until=parse_timestamp(wanted["until"]) if "until" in wanted else None,
        seconds=parse_duration(wanted["duration"]) if "duration" in wanted else None,
        reason=wanted["reason"],
    )
    return call.document(documents.package(changed), tagged=True)


async def change_class(call: Call) -> web.StreamResponse:
    changed = await call.registry.retention.change_class(
        call.actor, call.values["package_id"], call.content["retention_class"], reason=call.content["reason"]
    )
    return call.document(documents.package(changed), tagged=True)


async def list_classes(call: Call) -> web.StreamResponse:
    classes = await call.registry.retention.classes(call.actor)
    return call.document({"items": [documents.retention_class(one) for one in classes]})


async def update_class(call: Call) -> web.StreamResponse:
    term = call.content["term"]
    changed = await call.registry.retention.set_class_default(
        call.actor, call.values["name"], None if term is None else parse_duration(term)
    )
    return call.document(documents.retention_class(changed))
