"""The REST face under test: a real registry, and stand-ins for the rooms that a test scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiohttp import ClientResponse, ClientSession, encode_basic_auth
from yarl import URL

from gateway.admin.call import PREFIX
from gateway.admin.contract import Contract, Operation
from registry.model import Package, PackageStatus
from tests.registry.world import World

CONTRACT = Contract.load()
KEY, SECRET = "AKIDEXAMPLEEXAMPLE00", "a-secret:with-a-colon"

PACKAGE = Package(
    id="pkg_0198f2c0",
    repository_id=1,
    repository="evidence",
    name="run-42",
    status=PackageStatus.UPLOADING,
    explicit=True,
    created_at=1_800_000_000_000_000,
    created_by="alice",
    updated_at=1_800_000_000_000_000,
    metadata={"run_id": "run-42"},
    labels={"team": "cmis"},
    retention_class="raw-evidence",
)


class Room:
    """A room that answers what it was told to, and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        async def ask(*arguments: Any, **named: Any) -> Any:
            self.asked.append((name, arguments, named))
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask


@dataclass
class Rest:
    """The REST face over a real registry, with stand-ins for the rooms that tests script.

    Every answer is held against the contract.
    """

    address: str
    session: ClientSession
    world: World
    rooms: SimpleNamespace
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": encode_basic_auth(KEY, SECRET)})

    async def call(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        """The JSON of an answer (bytes where it is none), whose status must be this."""
        answer, content = await self.send(method, PREFIX + path, **options)
        assert answer.status == status, content
        return self._checked(method, answer, content)

    async def refused(self, method: str, path: str, code: str, **options: Any) -> dict[str, Any]:
        """The problem document of a refusal, whose code must be this."""
        answer, content = await self.send(method, PREFIX + path, **options)
        assert answer.status >= 400, content
        problem: dict[str, Any] = self._checked(method, answer, content)
        assert problem["code"] == code, problem
        assert problem["status"] == answer.status
        return problem

    async def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> tuple[ClientResponse, bytes]:
        """An answer as it came."""
        sent = {**self.headers, **(headers or {})}
        # A path as it is, percent signs included.
        url = URL(self.address + path, encoded=True)
        async with self.session.request(method, url, headers=sent, **options) as answer:
            return answer, await answer.read()

    def _checked(self, method: str, answer: ClientResponse, content: bytes) -> Any:
        operation, node = _described(method, answer)
        documented = CONTRACT.resolve(node["responses"].get(str(answer.status), node["responses"]["default"]))
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"
        if "content" not in documented:
            assert content == b""
            return content
        media = documented["content"].get(answer.content_type, documented["content"].get("*/*"))
        assert media is not None, f"{operation.id} answered {answer.content_type}"
        if not answer.content_type.endswith(("/json", "+json")) or "*/*" in documented["content"]:
            return content
        value = json.loads(content)
        CONTRACT.validator(media["schema"]).validate(value)
        return value


def _described(method: str, answer: ClientResponse) -> tuple[Operation, Mapping[str, Any]]:
    """The operation that answered, and its node in the document."""
    path = answer.url.raw_path.removeprefix(PREFIX)
    for operation in CONTRACT.operations:
        if operation.method == method.replace("HEAD", "GET") and _fits(operation, path):
            return operation, CONTRACT.document["paths"][operation.path][operation.method.lower()]
    raise AssertionError(f"{method} {path} is not in the contract")


def _fits(operation: Operation, path: str) -> bool:
    wanted, given = operation.path.split("/"), path.split("/")
    if "path" in operation.rest_of_path:
        last = len(wanted) - 1
        given = [*given[:last], "/".join(given[last:])]
    return len(wanted) == len(given) and all(
        (one.startswith("{") and other) or one == other for one, other in zip(wanted, given, strict=True)
    )
