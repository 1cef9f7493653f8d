"""What every server under test is: a process on loopback ports of its own, and the ways to speak to it."""

from __future__ import annotations

import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import IO, ClassVar, Protocol

from bench.request import Body, Request

HOST = "127.0.0.1"
_PROBE = Request.of("GET", "/", [("Host", HOST)])
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0


class Dialect(Protocol):
    """How requests to a server are written. `name` says what tells it from the server's other dialects."""

    @property
    def name(self) -> str: ...

    def put(self, key: str, body: Body) -> Request: ...

    def get(self, key: str) -> Request: ...

    def list_page(self, after: str) -> Request | None:
        """A page of 1,000 keys behind `after`; None where the protocol has no such thing."""
        ...


class Server(ABC):
    """Start, then `prepare`; `stop` in any case. Everything it writes is under `directory`."""

    name: ClassVar[str]
    program: ClassVar[str]
    """What has to be installed."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.port = free_port()
        self.start_seconds = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @abstractmethod
    def version(self) -> str: ...

    @abstractmethod
    def command(self) -> list[str]: ...

    def environment(self) -> Mapping[str, str] | None:
        return None

    @property
    @abstractmethod
    def dialects(self) -> Sequence[Dialect]: ...

    def prepare(self) -> None:
        """Make the place where keys are put."""
        return

    @property
    def address(self) -> tuple[str, int]:
        return HOST, self.port

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Returns when the server has answered a first request; `start_seconds` tells how long that took."""
        self._log = (self.directory / "log").open("wb")
        started = time.monotonic()
        self._process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env=self.environment()
        )
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() - started > _START_SECONDS:
                self.stop()
                raise RuntimeError(f"{self.name} did not start:\n{(self.directory / 'log').read_text()}")
            time.sleep(0.01)
        self.start_seconds = time.monotonic() - started

    def _answers(self) -> bool:
        try:
            self.exchange(_PROBE)
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()

    def exchange(self, request: Request) -> tuple[int, bytes]:
        """Send one request on a connection of its own: status and body of the answer."""
        with socket.create_connection(self.address, timeout=60) as connection:
            connection.sendall(request.head)
            if request.body is not None:
                with request.body.filler.open("rb") as filler:
                    connection.sendfile(filler, 0, request.body.fill or None)
                connection.sendall(request.body.unique)
            response = HTTPResponse(connection)
            response.begin()
            return response.status, response.read()


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
