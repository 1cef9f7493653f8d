"""Webhooks: who is told of events, and what became of each delivery.

The deliveries themselves are made and sent by `registry.jobs.outbox`: no request waits for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from registry import audit, policy
from registry.clock import Clock
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.errors import InvalidArgumentError, InvalidRequestError, WebhookNotFoundError
from registry.event_log import EventLog
from registry.ids import uuid7
from registry.model import Actor, Delivery, Page, Webhook
from registry.repositories import Repositories
from registry.secrets import SecretBox
from registry.webhook_message import TEST, new_secret

LIMIT = 100
"""Webhooks that an account may have."""

PENDING, DELIVERING, DELIVERED, RETRY_WAIT, DEAD_LETTER = (
    "pending",
    "delivering",
    "delivered",
    "retry_wait",
    "dead_letter",
)
"""The states of a delivery. The last one is left by hand only."""

PAYLOADS = ("registry", "s3")
_TYPE = re.compile(r"[a-z]+\.[a-z_]+")
_URL_LENGTH = 2000


class Webhooks:
    """Create, look up, test and delete webhooks; look at deliveries and try them again."""

    def __init__(
        self, database: Database, repositories: Repositories, events: EventLog, box: SecretBox, clock: Clock
    ) -> None:
        self._database = database
        self._repositories = repositories
        self._events = events
        self._box = box
        self._clock = clock

    async def create(
        self,
        actor: Actor,
        url: str,
        *,
        events: Sequence[str] = (),
        repository: str | None = None,
        payload: str = "registry",
    ) -> tuple[Webhook, str]:
        """The webhook and its secret (`whsec_…`), which is never told again.

        It is told of events of these types (none named: all) from now on, of this repository or, an
        administrator's, of all.
        """
        _check_url(url)
        for kind in events:
            if not _TYPE.fullmatch(kind):
                raise InvalidArgumentError("events", kind, f"{kind!r} is no type of event, like package.finalized is.")
        if payload not in PAYLOADS:
            raise InvalidArgumentError("payload", payload, f"payload is one of {', '.join(PAYLOADS)}.")
        number = None
        if repository is not None:
            number = (await self._repositories.permitted(actor, "webhook.create", repository)).id
        elif not policy.may(actor, "webhook.create"):
            raise InvalidArgumentError(
                "repository", None, "Name one of your repositories: only an administrator's webhook is told of all."
            )
        webhook = Webhook(uuid7(), url, tuple(sorted(set(events))), repository, payload, self._clock(), actor.name)
        secret = new_secret()
        place = await self._events.last()
        table = schema.webhooks
        async with self._database.transaction(Lock(Scope.JOB, f"webhooks of {actor.account_id}")) as connection:
            mine = select(func.count()).select_from(table).where(table.c.account_id == actor.account_id)
            if (await connection.execute(mine)).scalar_one() >= LIMIT:
                raise InvalidRequestError(f"An account has at most {LIMIT} webhooks: delete one that is not needed.")
            await connection.execute(
                insert(table).values(
                    id=webhook.id,
                    url=url,
                    events=list(webhook.events),
                    repository_id=number,
                    repository=repository,
                    payload=payload,
                    secret=self._box.seal(secret, webhook.id),
                    place=place,
                    account_id=actor.account_id,
                    created_at=webhook.created_at,
                    created_by=actor.name,
                )
            )
            detail = {"url": _shown(url), "events": list(webhook.events), "payload": payload}
            await self._tell(connection, actor, "webhook.create", webhook, detail)
        return webhook, secret

    async def get(self, actor: Actor, webhook_id: str) -> Webhook:
        """A webhook of the actor's; an administrator's are all."""
        query = _visible(actor).where(schema.webhooks.c.id == webhook_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise WebhookNotFoundError(f"There is no webhook {webhook_id}.")
        return _webhook(row)

    async def list(self, actor: Actor, *, after: str | None = None, limit: int = 100) -> Page[Webhook]:
        """The actor's webhooks (an administrator's are all), the oldest first."""
        table = schema.webhooks
        query = _visible(actor).order_by(table.c.id).limit(limit + 1)
        if after is not None:
            query = query.where(table.c.id > after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        items = [_webhook(row) for row in rows[:limit]]
        return Page(items, items[-1].id if len(rows) > limit else None)

    async def delete(self, actor: Actor, webhook_id: str) -> None:
        """Forget a webhook and its deliveries, those that are still to be made too."""
        webhook = await self.get(actor, webhook_id)
        async with self._database.transaction() as connection:
            await connection.execute(delete(schema.webhooks).where(schema.webhooks.c.id == webhook_id))
            await self._tell(connection, actor, "webhook.delete", webhook, {"url": _shown(webhook.url)})

    async def test(self, actor: Actor, webhook_id: str) -> Delivery:
        """Have a test event delivered; the answer is the delivery as it sets out."""
        webhook = await self.get(actor, webhook_id)
        row = delivery_row(webhook_id, TEST, self._clock())
        async with self._database.transaction() as connection:
            await connection.execute(insert(schema.deliveries).values(row))
            await self._tell(connection, actor, "webhook.test", webhook, {"delivery": row["id"]})
        return _delivery(row)

    async def deliveries(
        self, actor: Actor, webhook_id: str, *, status: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[Delivery]:
        """Deliveries to a webhook, the newest first."""
        await self.get(actor, webhook_id)
        table = schema.deliveries
        query = select(table).where(table.c.webhook_id == webhook_id).order_by(table.c.id.desc()).limit(limit + 1)
        if status is not None:
            query = query.where(table.c.status == status)
        if after is not None:
            query = query.where(table.c.id < after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        items = [_delivery(row) for row in rows[:limit]]
        return Page(items, items[-1].id if len(rows) > limit else None)

    async def retry(self, actor: Actor, webhook_id: str, delivery_id: str) -> Delivery:
        """Try a delivery again now, with all its attempts before it, whatever became of it.

        One that is being made is left to that.
        """
        webhook = await self.get(actor, webhook_id)
        table = schema.deliveries
        same = (table.c.webhook_id == webhook_id) & (table.c.id == delivery_id)
        afresh = {"status": PENDING, "attempts": 0, "next_attempt_at": self._clock(), "delivered_at": None}
        async with self._database.transaction() as connection:
            await connection.execute(update(table).where(same, table.c.status != DELIVERING).values(afresh))
            row = (await connection.execute(select(table).where(same))).mappings().first()
            if row is None:
                raise WebhookNotFoundError(f"There is no delivery {delivery_id} to webhook {webhook_id}.")
            await self._tell(connection, actor, "webhook.retry", webhook, {"delivery": delivery_id})
        return _delivery(row)

    async def _tell(
        self, connection: AsyncConnection, actor: Actor, action: str, webhook: Webhook, detail: Mapping[str, Any]
    ) -> None:
        entry = audit.entry(
            self._clock(), actor, action, repository=webhook.repository, resource=webhook.id, detail=detail
        )
        await connection.execute(insert(schema.audit_entries).values(entry))


def delivery_row(
    webhook_id: str, event_type: str, now: int, *, place: int | None = None, package_id: str | None = None
) -> dict[str, Any]:
    """A row of `deliveries`, due at once."""
    return {
        "id": uuid7(),
        "webhook_id": webhook_id,
        "place": place,
        "event_type": event_type,
        "package_id": package_id,
        "status": PENDING,
        "attempts": 0,
        "created_at": now,
        "next_attempt_at": now,
        "response_status": None,
        "error": None,
        "delivered_at": None,
    }


def _visible(actor: Actor) -> Select[Any]:
    table = schema.webhooks
    return select(table) if actor.administrator else select(table).where(table.c.account_id == actor.account_id)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not host or not url.isprintable() or " " in url:
        raise InvalidArgumentError("url", url, "Give an address like https://hub.example.org/hooks.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidArgumentError(
            "url", _shown(url), "Give an address without user, password and fragment: deliveries are signed."
        )
    if len(url) > _URL_LENGTH:
        raise InvalidArgumentError("url", _shown(url), f"An address has at most {_URL_LENGTH} characters.")


def _shown(url: str) -> str:
    """The address without what may be a secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _webhook(row: Any) -> Webhook:
    return Webhook(
        row["id"],
        row["url"],
        tuple(row["events"]),
        row["repository"],
        row["payload"],
        row["created_at"],
        row["created_by"],
    )


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        event_id=row["place"],
        event_type=row["event_type"],
        status=row["status"],
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        response_status=row["response_status"],
        error=row["error"],
        delivered_at=row["delivered_at"],
    )
