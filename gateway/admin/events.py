"""Events, and the webhooks they are delivered to."""

from __future__ import annotations

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call, gone


async def list_all(call: Call) -> web.StreamResponse:
    page = await call.registry.events.list(
        call.actor,
        type=call.get("type"),
        repository=call.get("repository"),
        package_id=call.get("package_id"),
        **call.place,
    )
    return call.page(page, documents.event)


async def list_webhooks(call: Call) -> web.StreamResponse:
    return call.page(await call.registry.webhooks.list(call.actor, **call.place), documents.webhook)


async def create_webhook(call: Call) -> web.StreamResponse:
    wanted = call.content
    webhook, secret = await call.registry.webhooks.create(
        call.actor,
        wanted["url"],
        events=wanted.get("events", ()),
        repository=wanted.get("repository"),
        payload=wanted.get("payload", "registry"),
    )
    return call.created({**documents.webhook(webhook), "secret": secret}, f"/webhooks/{webhook.id}")


async def get_webhook(call: Call) -> web.StreamResponse:
    return call.document(documents.webhook(await call.registry.webhooks.get(call.actor, call.values["webhook_id"])))


async def delete_webhook(call: Call) -> web.StreamResponse:
    await call.registry.webhooks.delete(call.actor, call.values["webhook_id"])
    return gone()


async def test_webhook(call: Call) -> web.StreamResponse:
    return call.accepted(documents.delivery(await call.registry.webhooks.test(call.actor, call.values["webhook_id"])))


async def list_deliveries(call: Call) -> web.StreamResponse:
    page = await call.registry.webhooks.deliveries(
        call.actor, call.values["webhook_id"], status=call.get("status"), **call.place
    )
    return call.page(page, documents.delivery)


async def retry_delivery(call: Call) -> web.StreamResponse:
    values = call.values
    retried = await call.registry.webhooks.retry(call.actor, values["webhook_id"], values["delivery_id"])
    return call.accepted(documents.delivery(retried))
