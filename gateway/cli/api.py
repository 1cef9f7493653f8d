"""The registry's REST interface as commands use it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

PREFIX = "/api/v1"
_DELAYS = (0.2, 1.0, 3.0)
"""Seconds before a request is sent again that got no answer, or was told to come back."""
_LATER = frozenset({502, 503, 504})


def path_of(*segments: str) -> str:
    """A path below /api/v1 whose segments are texts of any kind."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


class ApiError(Exception):
    """The registry refused. Carries its problem document (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        super().__init__("\n".join(self._lines()))

    @property
    def code(self) -> str:
        return str(self.problem.get("code", ""))

    @property
    def reasons(self) -> Sequence[Mapping[str, Any]]:
        """Every protection that stands in the way."""
        return tuple(self.problem.get("reasons", ()))

    def _lines(self) -> list[str]:
        fixes = [f"  {error['field']}: {error['fix']}" for error in self.problem.get("errors", ())]
        return [str(self.problem.get("detail", f"The server answered {self.status}.")), *fixes]


class UnreachableError(Exception):
    """No registry answers at the address."""


class Api:
    """A connection to a registry; an asynchronous context manager.

    Every request may be sent again: where a request without an answer is no answer to whether it was carried out,
    a POST names itself, and the registry answers it once.
    """

    def __init__(
        self,
        address: str,
        access_key: str,
        secret_key: str,
        *,
        ssl: SSLContext | None = None,
        delays: Sequence[float] | None = None,
    ) -> None:
        """`address` is the registry port's, like http://127.0.0.1:9001. Raises ValueError for anything else."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"{address!r} is not an address of a registry, like http://127.0.0.1:9001.")
        self._address = f"{parts.scheme}://{parts.netloc}"
        self._authorization = aiohttp.encode_basic_auth(access_key, secret_key)
        self._ssl = ssl
        self._delays = _DELAYS if delays is None else delays
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._ssl or True),
            headers={"Authorization": self._authorization, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | Sequence[str]] | None = None,
        document: Any = None,
        text: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The document of an answer (bytes where it is none, None where it is empty).

        `path` is below /api/v1, percent-encoded. Raises ApiError and UnreachableError.
        """
        sent = dict(headers or {})
        if method == "POST":
            sent.setdefault("Idempotency-Key", uuid.uuid4().hex)
        if text is not None:
            sent["Content-Type"] = "text/plain; charset=utf-8"
        url = URL(self._address + PREFIX + path, encoded=True).update_query(query or {})
        options: dict[str, Any] = {"headers": sent, "data": text}
        if document is not None:
            options = {"headers": sent, "json": document}
        return await self._repeated(method, url, options)

    async def items(
        self, path: str, query: Mapping[str, str | int | Sequence[str]] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Every item of a list, page after page."""
        page = await self.call("GET", path, query=query)
        while True:
            for item in page["items"]:
                yield item
            if page.get("next") is None:
                return
            page = await self._repeated("GET", URL(self._address + page["next"], encoded=True), {})

    async def stream(
        self, path: str, query: Mapping[str, str | int | Sequence[str]] | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of an answer as they come."""
        url = URL(self._address + PREFIX + path, encoded=True).update_query(query or {})
        async with self._exchange("GET", url, {}) as answer:
            async for piece in answer.content.iter_any():
                yield piece

    async def _repeated(self, method: str, url: URL, options: Mapping[str, Any]) -> Any:
        for delay in self._delays:
            try:
                return await self._send(method, url, options)
            except ApiError as error:
                if error.status not in _LATER:
                    raise
            except UnreachableError:
                pass
            await asyncio.sleep(delay)
        return await self._send(method, url, options)

    async def _send(self, method: str, url: URL, options: Mapping[str, Any]) -> Any:
        async with self._exchange(method, url, options) as answer:
            if answer.content_type == "application/json":
                return await answer.json()
            return await answer.read() or None

    @asynccontextmanager
    async def _exchange(
        self, method: str, url: URL, options: Mapping[str, Any]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("the connection is not open: use `async with`")
        try:
            async with self._session.request(method, url, allow_redirects=False, **options) as answer:
                if answer.status >= 300:
                    raise ApiError(answer.status, await _problem(answer))
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"No registry answers at {self._address}: {reason}.") from error


async def _problem(answer: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """The problem document; what can be told of an answer that is none, from a proxy in between."""
    if answer.content_type == "application/problem+json":
        document = await answer.json(content_type=None)
        if isinstance(document, dict):
            return document
    return {"detail": f"{answer.url} answered {answer.status} {answer.reason}, not as a registry does."}
