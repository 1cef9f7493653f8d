"""What may be deleted, what may not, and why."""

from __future__ import annotations

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call


async def get_eligibility(call: Call) -> web.StreamResponse:
    found = await call.registry.retention.eligibility(call.actor, call.values["package_id"])
    return call.document(documents.eligibility(found))


async def report_eligibility(call: Call) -> web.StreamResponse:
    page = await call.registry.retention.eligibility_report(call.actor, call.get("repository"), **call.place)
    return call.page(page, documents.eligibility)


async def plan_deletion(call: Call) -> web.StreamResponse:
    page = await call.registry.packages.deletion_plan(call.actor, call.get("repository"), **call.place)
    return call.page(page, documents.planned_deletion)
