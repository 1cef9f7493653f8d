"""A REST client that says exactly what it is told, and holds every answer against the contract."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from gateway.admin.contract import Contract, Operation

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Rest:
    """A caller of the REST face. Paths are relative to it, and sent as they are."""

    url: str
    access_key: str
    secret_key: str

    @cached_property
    def contract(self) -> Contract:
        """As the server publishes it."""
        return Contract(self.send("GET", "/openapi.json", headers={"Authorization": ""}).json)

    @property
    def authorization(self) -> str:
        return "Basic " + base64.b64encode(f"{self.access_key}:{self.secret_key}".encode()).decode()

    def send(
        self,
        method: str,
        path: str,
        *,
        content: object = None,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """An answer as it came; `content` is sent as JSON, an empty header not at all."""
        sent = {"Authorization": self.authorization, **(headers or {})}
        if content is not None:
            body = json.dumps(content).encode()
            sent = {"Content-Type": "application/json"} | sent
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            target = path if path.startswith(PREFIX) else PREFIX + path
            connection.request(method, target, body, {name: value for name, value in sent.items() if value})
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()

    def call(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        """The JSON of an answer (bytes where it is none), whose status must be this."""
        answer = self.send(method, path, **options)
        assert answer.status == status, answer.body
        return self.checked(method, path, answer)

    def refused(self, method: str, path: str, code: str, **options: Any) -> dict[str, Any]:
        """The problem document of a refusal, whose code must be this."""
        answer = self.send(method, path, **options)
        assert answer.status >= 400, answer.body
        problem: dict[str, Any] = self.checked(method, path, answer)
        assert (problem["code"], problem["status"]) == (code, answer.status), problem
        assert problem["detail"]
        assert all(error["field"] and error["message"] and error["fix"] for error in problem.get("errors", ()))
        return problem

    def pages(self, path: str) -> Iterator[list[Any]]:
        """The items of each page of a list, one page after the other."""
        following: str | None = path
        while following is not None:
            answer = self.send("GET", following)
            assert answer.status == 200, answer.body
            page = self.checked("GET", following, answer)
            following = page["next"]
            assert answer.headers.get("link") == (following and f'<{following}>; rel="next"')
            yield page["items"]

    def items(self, path: str) -> list[Any]:
        """All items of a list."""
        return [item for page in self.pages(path) for item in page]

    def checked(self, method: str, path: str, answer: Answer) -> Any:
        """The content of an answer, which must be one that the contract announces."""
        operation = _operation(self.contract, method, path)
        node = self.contract.document["paths"][operation.path][operation.method.lower()]
        responses = node["responses"]
        documented = self.contract.resolve(responses.get(str(answer.status), responses["default"]))
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if answer.status >= 400:
            assert kind == "application/problem+json"
        if "content" not in documented:
            assert answer.body == b""
            return b""
        announced = documented["content"].get(kind, documented["content"].get("*/*"))
        assert announced is not None, f"{operation.id} answered {kind}"
        if not kind.endswith("json") or "*/*" in documented["content"]:
            return answer.body
        self.contract.validator(announced["schema"]).validate(answer.json)
        return answer.json


def _operation(contract: Contract, method: str, path: str) -> Operation:
    path = path.partition("?")[0].removeprefix(PREFIX)
    for operation in contract.operations:
        if operation.method == method.replace("HEAD", "GET") and _fits(operation, path):
            return operation
    raise AssertionError(f"{method} {path} is not in the contract")


def _fits(operation: Operation, path: str) -> bool:
    wanted, given = operation.path.split("/"), path.split("/")
    if "path" in operation.rest_of_path:
        last = len(wanted) - 1
        given = [*given[:last], "/".join(given[last:])]
    return len(wanted) == len(given) and all(
        (one.startswith("{") and other) or one == other for one, other in zip(wanted, given, strict=True)
    )
