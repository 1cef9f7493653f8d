"""The S3 face: resolve, authenticate, run, render."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from gateway.auth.errors import AccessDenied, RequestRefused, SignatureDoesNotMatch
from gateway.auth.sigv4 import Authentication, SignedRequest, access_key_of, authenticate
from gateway.http.logging import Access
from gateway.http.logging import request_id as current_request
from gateway.http.sending import Response, Sender
from gateway.http.server import Connection, OrderedBody
from gateway.s3 import address, query, routes, xml
from gateway.s3.address import Address
from gateway.s3.call import XML, Call
from gateway.s3.catalogue import OPERATIONS
from gateway.s3.errors import S3Error, not_implemented, translate
from gateway.s3.headers import refuse_unsupported
from gateway.s3.operations.bucket_cors import preflight, sharing
from registry.authentication_log import Refusal
from registry.errors import UnknownAccessKeyError
from registry.model import Actor, Credential
from registry.registry import Registry

LOG = logging.getLogger(__name__)


PREFLIGHT = "PreflightRequest"
"""The one operation that nobody signs."""

READ_PAST = 64 * 1024
"""Bytes of a refused body that are read past, so that the connection can go on."""


class Observer(Protocol):
    """Who counts and times requests; see gateway.http.metrics."""

    def started(self, operation: str) -> None: ...
    def finished(self, operation: str, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What an operator chooses about the face."""

    region: str = "us-east-1"
    domains: Sequence[str] = ()
    """Domains that buckets are subdomains of (virtual-host style)."""
    max_bodies: int = 256
    """Request bodies in flight; beyond it SlowDown."""
    stall_timeout: float = 60.0
    """Seconds without a byte, either way, after which a client is given up."""


class Exchange:
    """One request and what is known of it so far."""

    __slots__ = ("access_key", "address", "began", "id", "operation", "ordered", "query", "request", "signed")

    def __init__(self, request: web.BaseRequest) -> None:
        self.request = request
        self.id = os.urandom(8).hex().upper()
        self.began = time.perf_counter()
        self.signed = SignedRequest.of(request.method, request.raw_path, request.headers.items())
        self.ordered = OrderedBody.of(request)
        self.operation = "Unknown"
        self.address = Address()
        self.query: Mapping[str, str] = query.EMPTY
        self.access_key: str | None = None

    @property
    def host(self) -> str:
        return self.signed.headers.get("host", "")


class S3Face:
    """Answers S3 requests. One per event loop; `close` it after its server."""

    def __init__(
        self,
        registry: Registry,
        configuration: Configuration,
        observer: Observer,
        log_access: Callable[[Access], None] | None = None,
    ) -> None:
        self._registry = registry
        self._configuration = configuration
        self._observer = observer
        self._log_access = log_access
        self._sender = Sender(stall_timeout=configuration.stall_timeout)
        self._bodies = 0

    def close(self) -> None:
        """Let the sending threads go."""
        self._sender.close()

    async def __call__(self, request: web.BaseRequest) -> Response:
        exchange = Exchange(request)
        token = current_request.set(exchange.id)
        response = None
        try:
            try:
                try:
                    self._resolve(exchange)
                finally:
                    self._observer.started(exchange.operation)
                if exchange.operation == PREFLIGHT:
                    response = await preflight(self._registry, exchange.address.bucket, exchange.signed.headers)
                else:
                    response = await self._run(exchange, await self._authenticated(exchange))
            except Exception as error:  # noqa: BLE001 - every refusal, and every fault, becomes an S3 error
                response = self._refused(exchange, error)
                self._audit(exchange, error)
            if exchange.operation != PREFLIGHT and "origin" in exchange.signed.headers:
                method, headers = exchange.signed.method, exchange.signed.headers
                response.headers += await sharing(self._registry, exchange.address.bucket, method, headers)
            await self._send(exchange, response)
            return response
        finally:
            self._tell(exchange, response)
            current_request.reset(token)

    def refusal(self, error: BaseException | None) -> Response:
        """The answer to what is no HTTP."""
        if isinstance(error, LineTooLong):
            refused = S3Error("RequestHeaderSectionTooLarge")
        else:
            reason = str(getattr(error, "message", "")).strip().partition("\n")[0].rstrip(":.")
            refused = S3Error("BadRequest", f"The request is not well-formed HTTP: {reason}." if reason else "")
        request_id = os.urandom(8).hex().upper()
        response = Response(refused.status, [XML], xml.error_document(refused, "/", request_id), close=True)
        response.headers += _identity(request_id)
        return response

    def _resolve(self, exchange: Exchange) -> None:
        """Find out what the request is about, from its head alone."""
        signed = exchange.signed
        exchange.query = query.parse(signed.query)
        exchange.address = address.resolve(signed.path, exchange.host, self._configuration.domains)
        operation = routes.find(signed.method, exchange.address.target, exchange.query, signed.headers)
        if operation is not None:
            exchange.operation = operation

    async def _authenticated(self, exchange: Exchange) -> Authentication:
        access_key = access_key_of(exchange.signed)
        credential: Credential | None = None
        if access_key is not None:
            accounts = self._registry.accounts
            credential = accounts.cached_credential(access_key) or await accounts.credential(access_key)

        def lookup(_: str) -> Credential:
            if credential is None:
                raise UnknownAccessKeyError
            return credential

        found = authenticate(exchange.signed, lookup, region=self._configuration.region, now=datetime.now(UTC))
        if found.credential is None:
            raise AccessDenied("Access Denied: the request is not signed.")
        exchange.access_key = access_key
        return found

    async def _run(self, exchange: Exchange, authentication: Authentication) -> Response:
        headers = authentication.headers
        # A presigned URL may name in its query what chooses the operation, as x-amz-copy-source does.
        operation = routes.find(exchange.signed.method, exchange.address.target, exchange.query, headers)
        if operation is None:
            raise S3Error("MethodNotAllowed", fields={"Method": exchange.signed.method})
        exchange.operation = operation
        run = OPERATIONS.get(operation)
        if run is None:
            raise not_implemented(operation)
        refuse_unsupported(headers)
        call = self._call(exchange, authentication)
        await call.check_owner("x-amz-expected-bucket-owner", call.bucket)
        if not exchange.signed.has_body:
            return await run(call)
        if self._bodies >= self._configuration.max_bodies:
            raise S3Error("SlowDown")
        self._bodies += 1
        try:
            return await run(call)
        finally:
            self._bodies -= 1

    def _call(self, exchange: Exchange, authentication: Authentication) -> Call:
        credential = authentication.credential
        assert credential is not None  # noqa: S101 - `_authenticated` lets no other pass
        request = exchange.request
        actor = Actor(
            account_id=credential.account_id,
            name=credential.account_name,
            administrator=credential.administrator,
            access_key=credential.access_key,
            source_address=request.remote,
            request_id=exchange.id,
        )
        return Call(
            registry=self._registry,
            sender=self._sender,
            region=self._configuration.region,
            stall_timeout=self._configuration.stall_timeout,
            actor=actor,
            request_id=exchange.id,
            method=exchange.signed.method,
            address=exchange.address,
            host=exchange.host,
            query=exchange.query,
            headers=authentication.headers,
            payload=authentication.payload,
            stream=exchange.ordered or request.content,
            streams_answers=request.version >= (1, 1),
        )

    def _refused(self, exchange: Exchange, error: Exception) -> Response:
        refused = translate(error)
        if refused.status >= 500 and not isinstance(error, S3Error):
            unforeseen = refused.code == "InternalError"
            LOG.error("%s failed: %s", exchange.operation, error, exc_info=error if unforeseen else None)
        if refused.code == "NoSuchBucket":
            refused.message += address.hint(exchange.host, self._configuration.domains)
        document = xml.error_document(refused, exchange.address.resource, exchange.id)
        return Response(
            refused.status,
            [XML, *refused.headers.items()],
            document,
            # What was not read in time is not waited for any longer.
            close=refused.code == "RequestTimeout",
        )

    def _audit(self, exchange: Exchange, error: Exception) -> None:
        """Have the audit tell of an authentication that was refused: of the head, or of a signed chunk of the body."""
        proven = exchange.access_key is not None
        if not isinstance(error, SignatureDoesNotMatch if proven else (RequestRefused, UnknownAccessKeyError)):
            return
        self._registry.authentication_log.add(
            Refusal(
                code=translate(error).code,
                face="s3",
                request=f"{exchange.signed.method} {exchange.signed.path}",
                access_key=access_key_of(exchange.signed),
                source_address=exchange.request.remote,
                request_id=exchange.id,
            )
        )

    async def _send(self, exchange: Exchange, response: Response) -> None:
        request = exchange.request
        response.headers += _identity(exchange.id)
        if not request.content.is_eof():
            self._give_up_body(exchange, response)
        try:
            await response.send(request)
        except ConnectionError as error:
            LOG.debug("%s: %s", exchange.operation, error)
        except Exception:
            LOG.exception("the answer to %s was cut off", exchange.operation)

    def _give_up_body(self, exchange: Exchange, response: Response) -> None:
        """A body that was not read: little that is on its way is read past; for more, the connection closes."""
        request = exchange.request
        # Whether a client that was not told to will send its body after all cannot be known.
        unasked = exchange.ordered is not None and not exchange.ordered.asked
        lost = unasked or response.close or request.content.exception() is not None
        if lost or request.content_length is None or request.content_length > READ_PAST:
            response.close = True
        if isinstance(request.protocol, Connection):
            request.protocol.give_up_body(wait=not lost)

    def _tell(self, exchange: Exchange, response: Response | None) -> None:
        request = exchange.request
        status = 499 if response is None else response.status
        seconds = time.perf_counter() - exchange.began
        received = request.content.total_bytes
        sent = 0 if response is None or request.method == "HEAD" else response.length
        self._observer.finished(exchange.operation, status, seconds, received, sent)
        if self._log_access is not None:
            self._log_access(
                Access(
                    request_id=exchange.id,
                    method=request.method,
                    path=exchange.signed.path,
                    operation=exchange.operation,
                    status=status,
                    seconds=seconds,
                    bytes_in=received,
                    bytes_out=sent,
                    remote=request.remote,
                    access_key=exchange.access_key,
                )
            )


def _identity(request_id: str) -> list[tuple[str, str]]:
    return [("x-amz-request-id", request_id), ("x-amz-id-2", xml.HOST_ID)]
