"""One call of an operation, authenticated and checked against the contract; and the answers to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from gateway.http import conditions
from gateway.http.body import Body
from gateway.http.sending import Sender
from registry.errors import PreconditionFailedError
from registry.model import Actor, Page
from registry.registry import Registry

T = TypeVar("T")

PREFIX = "/api/v1"


@dataclass(slots=True)
class Call:
    """What an operation sees of a request."""

    request: web.Request
    registry: Registry
    sender: Sender
    actor: Actor
    values: Mapping[str, Any]
    """Path and query parameters by name, typed, with the contract's defaults."""
    headers: Mapping[str, str]
    """The request's headers, by lower-case name."""
    content: Any
    """The body: JSON, text as bytes, or None. Of operations that stream, nothing has been read."""
    open_body: Callable[[Mapping[str, str]], Body]
    """The body as a stream, for operations that take any media type; with headers to be added to the request's."""

    def get(self, name: str) -> Any:
        """A parameter, or None where it was not given."""
        return self.values.get(name)

    @property
    def place(self) -> dict[str, Any]:
        """Where in a list the caller is: `after` and `limit`."""
        return {"after": self.get("after"), "limit": self.values["limit"]}

    def check_if_match(self, tag: str) -> bool:
        """Is there a condition on what is to be changed? Raises PreconditionFailedError where it does not hold."""
        wanted = self.headers.get("if-match")
        if wanted is None or wanted.strip() == "*":
            return False
        if not conditions.matches(wanted, tag):
            raise PreconditionFailedError("If-Match")
        return True

    def document(self, content: Mapping[str, Any], *, tagged: bool = False, **headers: str) -> web.Response:
        """An answer with a JSON document; `tagged` with an ETag, and 304 if the caller has it."""
        if not tagged:
            return _json(200, content, headers)
        return self.tagged(encode(content), "application/json", etag(content), headers)

    def tagged(self, body: bytes, media_type: str, tag: str, headers: Mapping[str, str]) -> web.Response:
        """An answer to a GET that a cache may keep; 304 if the caller has it."""
        named = {"ETag": f'"{tag}"', **headers}
        known = self.headers.get("if-none-match")
        if self.request.method in ("GET", "HEAD") and known is not None and conditions.matches(known, tag):
            return web.Response(status=304, headers=named)
        return web.Response(body=body, headers={"Content-Type": media_type, **named})

    def created(self, content: Mapping[str, Any], location: str | None = None) -> web.Response:
        """201, with the address relative to the face where the new thing has one."""
        headers = {"ETag": f'"{etag(content)}"'}
        if location is not None:
            headers["Location"] = PREFIX + location
        return _json(201, content, headers)

    def page(self, page: Page[T], render: Callable[[T], Mapping[str, Any]]) -> web.Response:
        """A page of a list, with the address of the next."""
        following = None if page.next is None else str(self.request.rel_url.update_query(after=page.next))
        content = {"items": [render(item) for item in page.items], "next": following}
        return _json(200, content, {} if following is None else {"Link": f'<{following}>; rel="next"'})

    def accepted(self, content: Mapping[str, Any]) -> web.Response:
        """202: it goes on."""
        return _json(202, content, {})


def gone() -> web.Response:
    """204."""
    return web.Response(status=204)


def encode(content: Mapping[str, Any]) -> bytes:
    """JSON as it is sent."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def etag(content: Mapping[str, Any]) -> str:
    """Changes whenever the document does."""
    return hashlib.sha256(encode(content)).hexdigest()[:32]


def _json(status: int, content: Mapping[str, Any], headers: Mapping[str, str]) -> web.Response:
    return web.Response(status=status, body=encode(content), content_type="application/json", headers=headers)
