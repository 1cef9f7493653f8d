"""An S3 face over an embedded registry, in a thread of this process: quick to start, and honest down to the socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from backends.filesystem import FilesystemStore
from gateway.http.server import Server
from gateway.s3.face import Configuration, S3Face
from registry.db.migrate import migrate
from registry.model import RetentionClass
from registry.registry import Registry


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an S3 server listens, and with which keys: two accounts that do not see each other's buckets."""

    host: str
    port: int
    region: str
    main: Credentials
    alt: Credentials | None = None
    domain: str = ""
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


class Counter:
    """What a metrics room would be told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, int, int, int]] = []

    def started(self, operation: str) -> None:
        self.begun.append(operation)

    def finished(self, operation: str, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        assert seconds >= 0
        self.ended.append((operation, status, bytes_in, bytes_out))


@contextmanager
def served(
    directory: Path, *, observer: Counter | None = None, configuration: Configuration | None = None
) -> Iterator[Endpoint]:
    """Serve until the block ends."""
    ready: threading.Event = threading.Event()
    found: list[Endpoint | BaseException] = []
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        ended = asyncio.Event()
        stop.append((asyncio.get_running_loop(), ended))
        url = f"sqlite+aiosqlite:///{directory / 'registry.db'}"
        await migrate(url)
        store = FilesystemStore(directory / "blobs")
        await store.open()
        registry = await Registry(database_url=url, store=store, master_key=bytes(32)).open()
        await registry.retention.seed([RetentionClass("raw-evidence", 3600, rank=1)])
        keys = []
        for name in ("main", "alt"):
            await registry.accounts.create(name)
            key, secret = await registry.accounts.create_key(name)
            keys.append(Credentials(key.access_key, secret))
        face = S3Face(
            registry,
            configuration or Configuration(domains=("s3.localhost",), stall_timeout=2.0),
            observer or Counter(),
        )
        server = Server(face, header_timeout=1.0)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        host, port = listener.sockets[0].getsockname()
        found.append(Endpoint(host, port, "us-east-1", keys[0], keys[1], "s3.localhost"))
        ready.set()
        await ended.wait()
        listener.close()
        await server.shutdown(1)
        face.close()
        await registry.close()
        await store.close()

    def run() -> None:
        try:
            uvloop.run(main())
        except BaseException as error:
            found.append(error)
            ready.set()
            raise

    thread = threading.Thread(target=run, name="served")
    thread.start()
    ready.wait()
    endpoint = found[0]
    if isinstance(endpoint, BaseException):
        thread.join()
        raise endpoint
    try:
        yield endpoint
    finally:
        loop, ended = stop[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join()
