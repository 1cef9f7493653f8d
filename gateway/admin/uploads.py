"""Multipart uploads in progress."""

from __future__ import annotations

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call, gone
from gateway.admin.problems import FieldError, invalid
from registry.model import Page


async def list_all(call: Call) -> web.StreamResponse:
    # Uploads stand in the order of key and id: the id has no slash, the key may have.
    upload_id, slash, key = (call.get("after") or "/").partition("/")
    if not slash:
        raise invalid([FieldError("after", "is no place in this list", "Take it from next of the page before.")])
    found = await call.registry.uploads.list(
        call.actor,
        call.values["repository"],
        prefix=call.get("prefix") or "",
        key_marker=key,
        upload_id_marker=upload_id,
        limit=call.values["limit"],
    )
    following = None if found.next_key is None else f"{found.next_upload_id}/{found.next_key}"
    return call.page(Page(found.uploads, following), documents.upload)


async def abort(call: Call) -> web.StreamResponse:
    values = call.values
    await call.registry.uploads.abort(call.actor, values["repository"], values["key"], values["upload_id"])
    return gone()
