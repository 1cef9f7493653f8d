"""A TCP proxy before PostgreSQL that cuts a connection where the test says."""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum
from typing import Self

COMMIT = b"COMMIT;"
"""How asyncpg spells it: a simple query of its own."""


class Cut(Enum):
    BEFORE_COMMIT = "the COMMIT never arrives"
    AFTER_COMMIT = "the COMMIT arrives, its answer does not"


class SeveringProxy:
    """Forwards to 127.0.0.1:`upstream`. `cut` is done to the next COMMIT that comes by, once."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._server: asyncio.Server
        self._connections: set[asyncio.Task[None]] = set()
        self.cut: Cut | None = None
        self.refusing = False
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self.drop_all()

    async def drop_all(self) -> None:
        """Cut every connection there is."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if not self.refusing:
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await self._forward(reader, writer)
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        answers = asyncio.create_task(_pipe(upstream_reader, writer))
        try:
            while data := await reader.read(1 << 16):
                if COMMIT in data and self.cut is not None:
                    cut, self.cut = self.cut, None
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                    if cut is Cut.AFTER_COMMIT:
                        upstream_writer.write(data)
                        await upstream_reader.read(1 << 16)
                    return
                upstream_writer.write(data)
                await upstream_writer.drain()
        finally:
            answers.cancel()
            upstream_writer.transport.abort()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()
