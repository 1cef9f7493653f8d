"""Packages: from creation over finalizing and amending to deletion and back."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call, etag
from registry import manifest, sha256sums
from registry.model import AuditQuery, Package, PackageQuery, PackageStatus
from registry.timestamps import parse_timestamp

_TIMES = ("created_after", "created_before", "finalized_after", "finalized_before", "expires_after", "expires_before")
_PLAIN = (
    "repository",
    "name",
    "name_prefix",
    "producer",
    "retention_class",
    "min_size",
    "max_size",
    "min_file_count",
    "max_file_count",
)


async def create(call: Call) -> web.StreamResponse:
    wanted = call.content
    created = await call.registry.packages.create(
        call.actor,
        wanted["repository"],
        wanted["name"],
        metadata=wanted.get("metadata", {}),
        labels=wanted.get("labels", {}),
        producer=wanted.get("producer"),
        retention_class=wanted.get("retention_class"),
    )
    return call.created(documents.package(created), f"/packages/{created.id}")


async def list_all(call: Call) -> web.StreamResponse:
    criteria: dict[str, Any] = {name: call.get(name) for name in _PLAIN}
    criteria |= {name: parse_timestamp(call.values[name]) for name in _TIMES if name in call.values}
    filters = call.values.get("filters", {})
    query = PackageQuery(
        **criteria,
        status=tuple(map(PackageStatus, call.values.get("status", ()))),
        metadata=_below("metadata.", filters),
        labels=_below("labels.", filters),
    )
    return call.page(await call.registry.packages.list(call.actor, query, **call.place), documents.package)


async def get(call: Call) -> web.StreamResponse:
    return _answer(call, await call.registry.packages.get(call.actor, call.values["package_id"]))


async def update(call: Call) -> web.StreamResponse:
    package_id = call.values["package_id"]
    known = await call.registry.packages.get(call.actor, package_id)
    conditional = call.check_if_match(etag(documents.package(known)))
    changed = await call.registry.packages.update(
        call.actor,
        package_id,
        metadata=call.content.get("metadata", {}),
        labels=call.content.get("labels", {}),
        producer=call.content.get("producer"),
        change_producer="producer" in call.content,
        expected=known if conditional else None,
    )
    return _answer(call, changed)


async def finalize(call: Call) -> web.StreamResponse:
    sums = None if call.content is None else sha256sums.parse(call.content)
    return _answer(call, await call.registry.packages.finalize(call.actor, call.values["package_id"], sums=sums))


async def amend(call: Call) -> web.StreamResponse:
    return _answer(call, await call.registry.packages.amend(call.actor, call.values["package_id"]))


async def delete(call: Call) -> web.StreamResponse:
    deleted = await call.registry.packages.delete(call.actor, call.values["package_id"], reason=call.values["reason"])
    return _answer(call, deleted)


async def restore(call: Call) -> web.StreamResponse:
    return _answer(call, await call.registry.packages.restore(call.actor, call.values["package_id"]))


async def list_revisions(call: Call) -> web.StreamResponse:
    found = await call.registry.packages.revisions(call.actor, call.values["package_id"])
    return call.document({"items": [documents.revision(revision) for revision in found]})


async def get_manifest(call: Call) -> web.StreamResponse:
    return _immutable(call, await _manifest(call), "application/json")


async def get_sums(call: Call) -> web.StreamResponse:
    listed = manifest.decode(await _manifest(call)).files
    lines = b"".join(sha256sums.render((file.path, file.sha256) for file in listed))
    return _immutable(call, lines, "text/plain; charset=utf-8")


async def get_history(call: Call) -> web.StreamResponse:
    query = AuditQuery(package_id=call.values["package_id"])
    return call.page(await call.registry.audit.query(call.actor, query, **call.place), documents.audit_entry)


def _answer(call: Call, found: Package) -> web.StreamResponse:
    return call.document(documents.package(found), tagged=True)


async def _manifest(call: Call) -> bytes:
    return await call.registry.packages.manifest(call.actor, call.values["package_id"], revision=call.get("revision"))


def _immutable(call: Call, body: bytes, media_type: str) -> web.StreamResponse:
    digest = hashlib.sha256(body)
    headers = {"Repr-Digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"}
    return call.tagged(body, media_type, digest.hexdigest(), headers)


def _below(prefix: str, filters: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in filters.items() if name.startswith(prefix)}
