"""Repositories and their settings."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call, etag, gone
from registry.durations import parse_duration
from registry.model import Overwrite, Page


async def create(call: Call) -> web.StreamResponse:
    wanted = dict(call.content)
    name = wanted.pop("name")
    object_lock = wanted.pop("object_lock", False)
    created = await call.registry.repositories.create(
        call.actor, name, object_lock=object_lock, settings=_settings(wanted)
    )
    return call.created(documents.repository(created), f"/repositories/{created.name}")


async def list_all(call: Call) -> web.StreamResponse:
    limit = call.values["limit"]
    found = await call.registry.repositories.list(
        call.actor, prefix=call.get("prefix") or "", after=call.get("after") or "", limit=limit + 1
    )
    shown = found[:limit]
    return call.page(Page(shown, shown[-1].name if len(found) > limit else None), documents.repository)


async def get(call: Call) -> web.StreamResponse:
    found = await call.registry.repositories.get(call.actor, call.values["repository"])
    return call.document(documents.repository(found), tagged=True)


async def update(call: Call) -> web.StreamResponse:
    name = call.values["repository"]
    known = await call.registry.repositories.get(call.actor, name)
    conditional = call.check_if_match(etag(documents.repository(known)))
    changed = await call.registry.repositories.update(
        call.actor, name, _settings(call.content), expected=known if conditional else None
    )
    return call.document(documents.repository(changed), tagged=True)


async def delete(call: Call) -> web.StreamResponse:
    await call.registry.repositories.delete(call.actor, call.values["repository"])
    return gone()


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """Settings as the registry has them."""
    settings = dict(given)
    if "overwrite" in given:
        settings["overwrite"] = Overwrite(given["overwrite"])
    if given.get("auto_finalize_after") is not None:
        settings["auto_finalize_after"] = parse_duration(given["auto_finalize_after"])
    return settings
