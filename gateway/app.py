"""The composition root: the one file that names every room, and the only one that opens a store."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

from aiohttp import web

from backends.open import open_store
from backends.store import StoreError
from gateway.admin import face as rest
from gateway.admin.call import PREFIX as REST
from gateway.http.health import Health
from gateway.http.index import index
from gateway.http.logging import Log
from gateway.http.metrics import Metrics, metrics_route
from gateway.http.middleware import observed
from gateway.http.problem import problems
from gateway.http.registry_port import connections
from gateway.http.server import Server
from gateway.http.stopping import finish
from gateway.http.tls import server_context
from gateway.keyring import Keyring
from gateway.outgoing import outgoing
from gateway.s3.face import Configuration, S3Face
from gateway.settings import Settings, masked_url
from registry.errors import StorageUnavailableError
from registry.registry import Registry

BACKLOG = 1024
_GOODBYE_SECONDS = 1.0
_STORE_CALLS = ("put", "read", "open_blob", "delete", "create_multipart", "complete_multipart", "abort_multipart")
_DATABASE_CALLS = ("point", "rows", "submit")
_DATABASE_BLOCKS = ("read", "transaction")


@asynccontextmanager
async def registry_of(settings: Settings, *, metrics: Metrics | None = None) -> AsyncIterator[Registry]:
    """The registry over the configured database and store. Raises KeyringError, StorageUnavailableError."""
    try:
        store = open_store(settings.store_url)
        await store.open()
    except StoreError as error:
        raise StorageUnavailableError(f"the store {masked_url(settings.store_url)}: {error.reason}") from error
    try:
        registry = Registry(
            database_url=settings.database_url,
            store=metrics.timed("store", store, calls=_STORE_CALLS) if metrics else store,
            master_key=Keyring(settings).master_key(),
            timed=(
                partial(metrics.timed, "database", calls=_DATABASE_CALLS, blocks=_DATABASE_BLOCKS) if metrics else None
            ),
        )
        await registry.open()
        try:
            yield registry
        finally:
            await registry.close()
    finally:
        await store.close()


@asynccontextmanager
async def serving(
    settings: Settings, log: Log, *, s3: socket.socket, registry_port: socket.socket
) -> AsyncIterator[None]:
    """Serve both sockets while the block runs; at its end accept nothing more, and finish what is in flight.

    Raises KeyringError, StorageUnavailableError, TlsError.
    """
    tls = tls_of(settings)
    metrics = Metrics()
    async with (
        registry_of(settings, metrics=metrics) as registry,
        outgoing(loopback=settings.webhook_loopback == "allow") as sender,
        registry.jobs.running(sender, region=settings.region),
    ):
        face = S3Face(
            registry,
            Configuration(
                region=settings.region,
                domains=settings.s3_domain,
                max_bodies=settings.max_bodies,
                stall_timeout=settings.stall_timeout,
            ),
            metrics,
            log.access if log.accesses else None,
        )
        app = _registry_app(settings, registry, metrics, log, s3.getsockname()[1])
        runner = web.AppRunner(app)
        await runner.setup()
        servers = (Server(face), cast(web.Server, runner.server))
        sockets = ((servers[0], s3), (connections(servers[1]), registry_port))
        # A client that never answers TLS's good-bye would keep its idle connection, and a stop, for half a minute.
        goodbye = None if tls is None else _GOODBYE_SECONDS
        loop = asyncio.get_running_loop()
        listeners = [
            await loop.create_server(protocol, sock=bound, ssl=tls, backlog=BACKLOG, ssl_shutdown_timeout=goodbye)
            for protocol, bound in sockets
        ]
        try:
            yield
        finally:
            for listener in listeners:
                listener.close()
            await asyncio.gather(*(finish(server, settings.grace_time) for server in servers))
            await runner.cleanup()
            face.close()


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """What both listeners speak; None is plain HTTP. Raises TlsError."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return server_context(settings.tls_cert, settings.tls_key)


def _registry_app(settings: Settings, registry: Registry, metrics: Metrics, log: Log, s3_port: int) -> web.Application:
    """What the registry's port serves."""
    app = web.Application(middlewares=[observed(metrics, log), problems])
    app.add_routes([index("https" if settings.tls else "http", s3_port), metrics_route(metrics)])
    app.add_routes(
        Health({"database": registry.storage.probe_database, "store": registry.storage.probe_store}).routes()
    )
    app.router.add_get("/docs", rest.documentation())
    app.add_subapp(
        REST,
        rest.application(registry, rest.Configuration(region=settings.region, stall_timeout=settings.stall_timeout)),
    )
    return app
