"""Webhooks and their deliveries: at least once, in order per package, signed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from registry.errors import AccessDeniedError, InvalidArgumentError, InvalidRequestError, WebhookNotFoundError
from registry.jobs import outbox
from registry.jobs.outbox import ATTEMPTS, LONGEST_WAIT, DeliveryError, Outbox, wait
from registry.model import AuditQuery, Delivery
from tests.registry.world import World

URL = "https://hub.example.org/hooks?token=secret"


@dataclass
class Receiver:
    """What is on the other side: answers as told, and remembers."""

    status: int = 204
    failing: set[str] = field(default_factory=set)
    """Keys whose events are answered 500."""
    seen: list[tuple[str, Mapping[str, str], dict[str, Any]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    slow: set[str] = field(default_factory=set)
    error: Exception | None = None

    async def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        if url in self.slow:
            await asyncio.sleep(3600)
        if self.error is not None:
            raise self.error
        document = json.loads(body)
        self.seen.append((url, headers, document))
        self.bodies.append(body)
        return 500 if document.get("data", {}).get("key") in self.failing else self.status

    @property
    def keys(self) -> list[str]:
        return [document["data"].get("key") for _, _, document in self.seen]


def job(world: World, receiver: Receiver) -> Outbox:
    found = world.registry.jobs.all(receiver)[0]
    assert isinstance(found, Outbox)
    return found


async def run(world: World, receiver: Receiver) -> None:
    await job(world, receiver).run_once(world.clock())


async def deliveries(world: World, webhook_id: str, status: str | None = None) -> list[Delivery]:
    found: list[Delivery] = []
    after = None
    while True:
        page = await world.registry.webhooks.deliveries(world.root, webhook_id, status=status, after=after, limit=3)
        found += page.items
        if page.next is None:
            return found
        after = page.next


async def hook(world: World, **options: Any) -> tuple[str, str]:
    options = {"repository": "evidence", "events": ["file.put"], **options}
    webhook, secret = await world.registry.webhooks.create(world.alice, options.pop("url", URL), **options)
    return webhook.id, secret


async def test_what_is_created_can_be_looked_up(world: World) -> None:
    await world.repository()
    webhooks = world.registry.webhooks
    webhook, secret = await webhooks.create(world.alice, URL, events=["file.put", "file.put"], repository="evidence")
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert webhook.events == ("file.put",)
    assert await webhooks.get(world.alice, webhook.id) == webhook
    assert await webhooks.get(world.root, webhook.id) == webhook
    with pytest.raises(WebhookNotFoundError):
        await webhooks.get(world.bob, webhook.id)
    other, _ = await webhooks.create(world.alice, URL, repository="evidence", payload="s3")
    page = await webhooks.list(world.alice, limit=1)
    assert page.items == [webhook]
    page = await webhooks.list(world.alice, after=page.next, limit=1)
    assert (page.items, page.next) == ([other], None)
    assert not (await webhooks.list(world.bob)).items
    with pytest.raises(WebhookNotFoundError):
        await webhooks.delete(world.bob, webhook.id)
    await webhooks.delete(world.alice, webhook.id)
    with pytest.raises(WebhookNotFoundError):
        await webhooks.get(world.alice, webhook.id)
    entries = (await world.registry.audit.query(world.root, AuditQuery(resource=webhook.id))).items
    assert [entry.action for entry in entries] == ["webhook.delete", "webhook.create"]
    assert "secret" not in str(entries)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"url": "ftp://hub.example.org"}, "url"),
        ({"url": "https:///hooks"}, "url"),
        ({"url": "https://hub.example.org:port/"}, "url"),
        ({"url": "https://hub.example.org/a b"}, "url"),
        ({"url": "https://[::1/"}, "url"),
        ({"url": "https://user:hunter2@hub.example.org/"}, "url"),
        ({"url": "https://hub.example.org/" + "a" * 2000}, "url"),
        ({"events": ["Put"]}, "events"),
        ({"payload": "xml"}, "payload"),
        ({"repository": None}, "repository"),
    ],
)
async def test_what_is_refused_names_the_field(world: World, wrong: dict[str, Any], field: str) -> None:
    await world.repository()
    with pytest.raises(InvalidArgumentError) as refusal:
        await hook(world, **wrong)
    assert refusal.value.field == field
    assert "hunter2" not in refusal.value.message + str(refusal.value.value)


async def test_a_repository_of_anothers_is_refused(world: World) -> None:
    await world.repository()
    with pytest.raises(AccessDeniedError):
        await world.registry.webhooks.create(world.bob, URL, repository="evidence")


async def test_webhooks_are_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.repository()
    monkeypatch.setattr("registry.webhooks.LIMIT", 1)
    await hook(world)
    with pytest.raises(InvalidRequestError):
        await hook(world)


async def test_events_are_delivered_signed(world: World) -> None:
    await world.repository()
    await world.put("run/before")
    webhook_id, secret = await hook(world)
    version = await world.put("run/a", b"abc")
    receiver = Receiver()
    await run(world, receiver)
    await run(world, receiver)
    (url, headers, document), body = receiver.seen[0], receiver.bodies[0]
    assert len(receiver.seen) == 1
    assert url == URL
    assert (document["type"], document["data"]["key"]) == ("file.put", "run/a")
    assert document["data"]["package_id"] == version.package_id
    assert document["data"]["repository"] == "evidence"
    (delivery,) = await deliveries(world, webhook_id)
    assert headers["webhook-id"] == delivery.id
    assert headers["webhook-timestamp"] == str(world.clock() // 1_000_000)
    signed = f"{delivery.id}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert (delivery.status, delivery.attempts, delivery.response_status) == ("delivered", 1, 204)
    assert (delivery.delivered_at, delivery.next_attempt_at, delivery.error) == (world.clock(), None, None)
    assert delivery.event_id == document["data"]["event_id"]


async def test_who_is_told_what(world: World) -> None:
    await world.repository()
    await world.repository("other-one")
    webhooks = world.registry.webhooks
    addresses = {
        "https://all.example": {},
        "https://one.example": {"repository": "other-one"},
        "https://kind.example": {"events": ["package.created"]},
    }
    for url, options in addresses.items():
        await webhooks.create(world.root, url, **options)  # type: ignore[arg-type]
    await world.put("run/a")
    await world.put("loose", repository="other-one")
    await world.registry.files.delete(world.alice, "other-one", "loose")
    await world.registry.repositories.delete(world.alice, "other-one")
    receiver = Receiver()
    await run(world, receiver)

    def told(url: str) -> list[str]:
        return sorted(document["type"] for to, _, document in receiver.seen if to == url)

    assert told("https://one.example") == ["file.deleted", "file.put", "repository.deleted"]
    assert told("https://kind.example") == ["package.created"]
    assert told("https://all.example") == [
        "file.deleted",
        "file.put",
        "file.put",
        "package.created",
        "repository.deleted",
    ]
    assert {document["data"]["repository"] for to, _, document in receiver.seen if to == "https://one.example"} == {
        "other-one"
    }


async def test_a_package_waits_for_what_failed_and_others_go_on(world: World) -> None:
    await world.repository()
    webhook_id, _ = await hook(world)
    for key in ("run/1", "run/2", "other/1", "run/3", "other/2", "loose"):
        await world.put(key)
    receiver = Receiver(failing={"run/2"})
    await run(world, receiver)
    assert [key for key in receiver.keys if key.startswith("run")] == ["run/1", "run/2"]
    assert [key for key in receiver.keys if key.startswith("other")] == ["other/1", "other/2"]
    assert "loose" in receiver.keys
    (failed,) = await deliveries(world, webhook_id, "retry_wait")
    assert (failed.attempts, failed.response_status, failed.error) == (1, 500, "The answer was 500.")
    assert failed.next_attempt_at is not None
    assert failed.next_attempt_at > world.clock()
    assert [delivery.event_type for delivery in await deliveries(world, webhook_id, "pending")] == ["file.put"]
    await world.put("run/4")
    await run(world, receiver)
    assert receiver.keys[-1] != "run/4"
    receiver.failing.clear()
    world.clock.advance(7)
    await run(world, receiver)
    assert receiver.keys[-3:] == ["run/2", "run/3", "run/4"]
    assert receiver.seen[-3][1]["webhook-id"] == failed.id
    assert {delivery.status for delivery in await deliveries(world, webhook_id)} == {"delivered"}


async def test_what_keeps_failing_is_given_up_and_can_be_retried(world: World) -> None:
    await world.repository()
    webhook_id, _ = await hook(world)
    await world.put("run/1")
    await world.put("run/2")
    receiver = Receiver(failing={"run/1"})
    for _ in range(ATTEMPTS):
        await run(world, receiver)
        world.clock.advance(LONGEST_WAIT * 1.2)
    assert receiver.keys == ["run/1"] * ATTEMPTS + ["run/2"]
    (dead,) = await deliveries(world, webhook_id, "dead_letter")
    assert (dead.attempts, dead.next_attempt_at) == (ATTEMPTS, None)
    await run(world, receiver)
    assert len(receiver.seen) == ATTEMPTS + 1
    receiver.failing.clear()
    webhooks = world.registry.webhooks
    again = await webhooks.retry(world.alice, webhook_id, dead.id)
    assert (again.status, again.attempts) == ("pending", 0)
    await run(world, receiver)
    assert receiver.keys[-1] == "run/1"
    assert not await deliveries(world, webhook_id, "dead_letter")
    for actor, webhook, delivery in ((world.alice, webhook_id, "none"), (world.bob, webhook_id, dead.id)):
        with pytest.raises(WebhookNotFoundError):
            await webhooks.retry(actor, webhook, delivery)


@pytest.mark.parametrize("error", [DeliveryError("no route"), RuntimeError("a bug")])
async def test_no_answer_is_a_failure(world: World, error: Exception) -> None:
    await world.repository()
    webhook_id, _ = await hook(world)
    await world.put("run/1")
    receiver = Receiver(error=error)
    await run(world, receiver)
    (delivery,) = await deliveries(world, webhook_id, "retry_wait")
    assert delivery.error == ("no route" if isinstance(error, DeliveryError) else "RuntimeError")
    assert delivery.response_status is None


async def test_what_was_being_sent_when_the_process_died_is_sent_again(world: World) -> None:
    await world.repository()
    webhook_id, _ = await hook(world)
    await world.put("run/1")
    dying = Receiver(slow={URL})
    died = job(world, dying)
    await died.run_once(world.clock())
    assert [delivery.status for delivery in await deliveries(world, webhook_id)] == ["delivering"]
    again = await world.registry.webhooks.retry(world.alice, webhook_id, (await deliveries(world, webhook_id))[0].id)
    assert again.status == "delivering"
    receiver = Receiver()
    await run(world, receiver)
    assert receiver.keys == ["run/1"]
    await died.stop()


async def test_a_slow_receiver_holds_nobody_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PATIENCE", 0.3)
    await world.repository()
    await hook(world, url="https://slow.example")
    await hook(world)
    receiver = Receiver(slow={"https://slow.example"})
    running = job(world, receiver)
    for number in range(3):
        await world.put(f"run/{number}")
        await running.run_once(world.clock())
    assert receiver.keys == ["run/0", "run/1", "run/2"]
    await running.stop()


async def test_a_test(world: World) -> None:
    await world.repository()
    webhooks = world.registry.webhooks
    webhook_id, _ = await hook(world)
    s3_id, _ = await hook(world, payload="s3", url="https://s3.example")
    asked = await webhooks.test(world.alice, webhook_id)
    assert (asked.status, asked.event_type, asked.event_id) == ("pending", "webhook.test", None)
    await webhooks.test(world.alice, s3_id)
    receiver = Receiver()
    await run(world, receiver)
    documents = {url: document for url, _, document in receiver.seen}
    assert documents[URL]["type"] == "webhook.test"
    assert documents["https://s3.example"]["Event"] == "s3:TestEvent"
    assert [delivery.status for delivery in await deliveries(world, webhook_id)] == ["delivered"]


async def test_the_shape_of_s3(world: World) -> None:
    await world.repository(object_lock=True)
    await hook(world, payload="s3", events=[])
    version = await world.put("run/a b+ü", b"abc")
    await world.registry.files.delete(world.alice, "evidence", "run/a b+ü")
    await world.registry.files.delete(world.alice, "evidence", "run/a b+ü", version.id)
    receiver = Receiver()
    await run(world, receiver)
    records = [document["Records"][0] for _, _, document in receiver.seen]
    names = [record["eventName"] for record in records]
    assert names == ["ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:Delete"]
    first = records[0]
    assert first["eventSource"] == "aws:s3"
    assert first["awsRegion"] == "us-east-1"
    assert first["s3"]["bucket"]["name"] == "evidence"
    assert first["s3"]["bucket"]["arn"] == "arn:aws:s3:::evidence"
    described = dict(first["s3"]["object"])
    sequencers = [record["s3"]["object"]["sequencer"] for record in records]
    assert sequencers == sorted(set(sequencers))
    del described["sequencer"]
    assert described == {"key": "run/a+b%2B%C3%BC", "size": 3, "eTag": version.etag, "versionId": version.id}


async def test_many_events_come_in_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FANNED_OUT", 4)
    monkeypatch.setattr(outbox, "TAKEN", 3)
    await world.repository()
    await hook(world)
    for number in range(10):
        await world.put(f"run/{number}")
    receiver = Receiver()
    await run(world, receiver)
    assert receiver.keys == [f"run/{number}" for number in range(10)]


async def test_a_webhook_that_goes_takes_its_deliveries(world: World) -> None:
    await world.repository()
    webhook_id, _ = await hook(world)
    await world.put("run/1")
    await run(world, Receiver(status=500))
    await world.registry.webhooks.delete(world.alice, webhook_id)
    world.clock.advance(3600)
    receiver = Receiver()
    await run(world, receiver)
    assert receiver.seen == []


def test_waits_grow_up_to_a_limit() -> None:
    for attempts, usual in ((1, 5), (2, 15), (3, 45), (20, LONGEST_WAIT)):
        waits = {wait(attempts) for _ in range(50)}
        assert usual * 0.8 <= min(waits) < usual < max(waits) <= usual * 1.2
