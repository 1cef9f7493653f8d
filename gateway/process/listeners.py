"""The listening sockets: for every worker one of each port, all open before the first worker starts.

The sockets of a port share it by SO_REUSEPORT, and the kernel spreads connections over them. The parent keeps each
socket open as long as it serves: connections that wait for a worker which crashed are taken by its replacement.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Self

from gateway.settings import Settings

BACKLOG = 1024


class PortUnavailableError(Exception):
    """A listener cannot be opened. The message is one line that says which one and what to change."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One worker's sockets."""

    s3: socket.socket
    registry: socket.socket

    def close(self) -> None:
        self.s3.close()
        self.registry.close()


@dataclass(frozen=True, slots=True)
class Listeners:
    """All workers' sockets, and where they can be reached."""

    pairs: tuple[Pair, ...]
    s3_url: str
    registry_url: str

    @classmethod
    def bind(cls, settings: Settings) -> Self:
        """Bind both ports for every worker; from here on connections wait. Raises PortUnavailableError."""
        s3 = _bind(settings, "s3_port", settings.workers)
        try:
            registry = _bind(settings, "port", settings.workers)
        except PortUnavailableError:
            for bound in s3:
                bound.close()
            raise
        return cls(
            pairs=tuple(Pair(*pair) for pair in zip(s3, registry, strict=True)),
            s3_url=_url(settings, s3[0]),
            registry_url=_url(settings, registry[0]),
        )

    def close(self) -> None:
        for pair in self.pairs:
            pair.close()


def _bind(settings: Settings, name: str, count: int) -> list[socket.socket]:
    port: int = getattr(settings, name)
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Another server of the same user that shares its port would go unnoticed: the first bind does not share.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            address = probe.getsockname()
        return [_shared(family, address) for _ in range(count)]
    except OSError as error:
        raise PortUnavailableError(_reason(error, settings, name, port)) from error


def _shared(family: int, address: tuple[object, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setblocking(False)  # noqa: FBT003  (the standard library takes it by position)
    try:
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _reason(error: OSError, settings: Settings, name: str, port: int) -> str:
    setting, host = f"{name} ({settings.origins[name]})", f"host ({settings.origins['host']})"
    if error.errno == errno.EADDRINUSE:
        return f"{setting}: port {port} of {settings.host} is in use; stop what listens there, or choose another port."
    if error.errno == errno.EACCES:
        return f"{setting}: this user may not listen on port {port}; choose one above 1023, or grant the right to."
    reason = error.strerror or str(error)
    return f"{host}: {settings.host} port {port} cannot be bound: {reason}; give an address of this machine."


def _url(settings: Settings, bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, settings.host)  # noqa: S104  (what "all" is reached by)
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls else 'http'}://{host}:{port}"
