"""The REST face: find the operation, authenticate, check against the contract, run, render."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast
from urllib.parse import unquote_to_bytes

from aiohttp import web

from gateway.admin.authentication import Caller, claimed_key, identify
from gateway.admin.call import Call, encode
from gateway.admin.contract import Contract, Operation
from gateway.admin.documentation import page
from gateway.admin.operations import OPERATIONS
from gateway.admin.problems import CODES, FieldError, Problem, invalid, respond, translate
from gateway.auth.errors import RequestRefused, SignatureDoesNotMatch
from gateway.http.body import Body
from gateway.http.logging import request_id
from gateway.http.middleware import ACCESS_KEY
from gateway.http.sending import Sender
from registry.authentication_log import Refusal
from registry.errors import ConflictError, UnknownAccessKeyError
from registry.idempotency import Idempotency
from registry.model import KeptAnswer
from registry.registry import Registry

LOG = logging.getLogger(__name__)

JSON_LIMIT = 1024 * 1024
"""Bytes of a JSON body."""
TEXT_LIMIT = 64 * 1024 * 1024
"""Bytes of a body of text: a SHA256SUMS of some hundred thousand files."""
ANY = "*/*"

_KEPT_HEADERS = ("Content-Type", "ETag", "Location")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What an operator chooses about the face."""

    region: str = "us-east-1"
    stall_timeout: float = 60.0
    """Seconds without a byte, either way, after which a client is given up."""


def application(registry: Registry, configuration: Configuration) -> web.Application:
    """What is served under /api/v1. Its runner must leave bodies as they come: `auto_decompress=False`."""
    face = _Face(registry, configuration, Contract.load())
    app = web.Application(middlewares=[_refusing])
    app.cleanup_ctx.append(face.sending)
    for operation in face.contract.operations:
        path = operation.path
        for name in operation.rest_of_path:
            path = path.replace(f"{{{name}}}", f"{{{name}:(?s:.+)}}")
        for method in ("GET", "HEAD") if operation.method == "GET" else (operation.method,):
            app.router.add_route(method, path, partial(face.answer, operation))
    return app


def documentation() -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of /docs: the contract for people, in one page that needs nothing else."""
    html = page(Contract.load()).encode()
    tag = f'"{hashlib.sha256(html).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    }

    async def show(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=html, content_type="text/html", charset="utf-8", headers=headers)

    return show


class _Face:
    def __init__(self, registry: Registry, configuration: Configuration, contract: Contract) -> None:
        self.contract = contract
        self._registry = registry
        self._configuration = configuration
        self._document = encode(contract.document)
        self._sender: Sender | None = None

    async def sending(self, _: web.Application) -> AsyncIterator[None]:
        """Threads for sending files, for as long as the application runs."""
        self._sender = Sender(stall_timeout=self._configuration.stall_timeout)
        yield
        self._sender.close()

    async def answer(self, operation: Operation, request: web.Request) -> web.StreamResponse:
        """Answer a request to an operation. Raises what the middleware renders."""
        if operation.public:
            return web.Response(body=self._document, content_type="application/json")
        try:
            caller = await identify(request, self._registry.accounts, region=self._configuration.region)
        except (Problem, RequestRefused, UnknownAccessKeyError) as refusal:
            self._audit(request, refusal)
            raise
        try:
            return await self._run(operation, request, caller)
        except SignatureDoesNotMatch as refusal:  # of a chunk of the body
            self._audit(request, refusal)
            raise

    async def _run(self, operation: Operation, request: web.Request, caller: Caller) -> web.StreamResponse:
        request[ACCESS_KEY] = caller.actor.access_key or ""
        _check_target(request)
        values, _ = operation.read(request.match_info, request.query.items(), request.headers)
        assert self._sender is not None  # noqa: S101 - it is there while the application runs

        def open_body(announced: Mapping[str, str]) -> Body:
            return Body(
                request.content,
                {**caller.headers, **announced},
                caller.payload,
                stall_timeout=self._configuration.stall_timeout,
            )

        call = Call(request, self._registry, self._sender, caller.actor, values, caller.headers, None, open_body)
        if ANY in operation.media_types:
            return await OPERATIONS[operation.id](call)
        content = await self._read(request, caller)
        call.content = operation.read_content(_media_type(request), content)
        key = request.headers.get("Idempotency-Key")
        if key is not None and operation.repeatable:
            return await _Repeatable(self._registry.idempotency, call, key, content).run(operation)
        return await OPERATIONS[operation.id](call)

    def _audit(self, request: web.Request, refusal: Exception) -> None:
        """Have the audit tell of an authentication that was refused."""
        self._registry.authentication_log.add(
            Refusal(
                code=refusal.code if isinstance(refusal, RequestRefused | Problem) else "InvalidAccessKeyId",
                face="rest",
                request=f"{request.method} {request.rel_url.raw_path}",
                access_key=claimed_key(request),
                source_address=request.remote,
                request_id=request_id.get(),
            )
        )

    async def _read(self, request: web.Request, caller: Caller) -> bytes:
        body = Body(
            request.content,
            caller.headers,
            caller.payload,
            length_required=False,
            stall_timeout=self._configuration.stall_timeout,
        )
        return await body.read(TEXT_LIMIT if _media_type(request).startswith("text/") else JSON_LIMIT)


class _Repeatable:
    """A POST that may be sent again: the first answer is kept and given again."""

    def __init__(self, room: Idempotency, call: Call, key: str, content: bytes) -> None:
        self._room = room
        self._call = call
        self._key = key
        request = call.request
        said = f"{request.method} {request.raw_path} {_media_type(request)}\n".encode() + content
        self._fingerprint = hashlib.sha256(said).hexdigest()

    async def run(self, operation: Operation) -> web.StreamResponse:
        actor = self._call.actor
        known = await self._room.begin(actor, self._key, self._fingerprint)
        if known is not None:
            return web.Response(
                status=known.status, body=known.body, headers={**known.headers, "Idempotency-Replayed": "true"}
            )
        try:
            response = await self._run(operation)
        except BaseException:
            await asyncio.shield(self._room.finish(actor, self._key, None))
            raise
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        body = cast("bytes", response.body or b"")
        await asyncio.shield(self._room.finish(actor, self._key, KeptAnswer(response.status, headers, body)))
        return response

    async def _run(self, operation: Operation) -> web.Response:
        """The answer; a refusal that would be the same the next time is an answer as well."""
        try:
            return cast("web.Response", await OPERATIONS[operation.id](self._call))
        except ConflictError:
            raise
        except Exception as error:
            problem = translate(error)
            if problem is None or CODES[problem.code][0] >= 500:
                raise
            return respond(problem)


def _check_target(request: web.Request) -> None:
    """Raise Problem for a path or query that is not UTF-8 in percent-encoding: it would name something else."""
    try:
        unquote_to_bytes(request.raw_path).decode()
    except UnicodeDecodeError:
        fault = FieldError("path", "is not UTF-8 in percent-encoding, or the query is not", "Encode it as UTF-8 first.")
        raise invalid([fault]) from None


def _media_type(request: web.Request) -> str:
    return request.content_type if "Content-Type" in request.headers else ""


@web.middleware
async def _refusing(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn what is refused, and what was not foreseen, into problem documents."""
    try:
        return await handler(request)
    except Exception as error:
        problem = translate(error)
        if problem is None:
            LOG.exception("a request to the REST face failed", extra={"path": request.path})
            problem = Problem("internal_error", "The server failed to answer; its log says why.")
        return respond(problem)
