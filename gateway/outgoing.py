"""Requests that this service makes itself: deliveries to webhooks, and nothing else.

Whoever may create a webhook chooses an address that is asked from inside the operator's network (server-side request
forgery). So: POST only, no redirects, no proxies from the environment, an answer's body is never read, and addresses
that belong to this machine or its hosting are refused, after name resolution, at the moment of connecting.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.connector import AddrInfoType

from registry.jobs.outbox import DeliveryError

TIMEOUT = 10.0
"""Seconds for an answer, from the name's resolution to the last of its headers."""

CONNECTIONS = 64

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Azure, Google Cloud, OpenStack ... (link-local too)
        "169.254.170.2",  # AWS containers
        "fd00:ec2::254",  # AWS over IPv6
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure's host
        "192.0.0.192",  # Oracle Cloud
    )
)
"""Where clouds hand credentials to whoever asks from inside."""


class RefusedAddressError(OSError):
    """Nobody may be sent there."""


def check_address(text: str, *, loopback: bool) -> None:
    """Raise OSError unless deliveries may go to the address. Private networks are where an operator's hubs are."""
    address = _unwrapped(ipaddress.ip_address(text.partition("%")[0]))
    if address.is_loopback:
        allowed = loopback
    else:
        allowed = not (
            address in _METADATA
            or address.is_link_local
            or address.is_unspecified
            or address.is_multicast
            or address == ipaddress.ip_address("255.255.255.255")
        )
    if not allowed:
        raise RefusedAddressError(f"deliveries to {address} are not allowed")


def _unwrapped(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in ipaddress.ip_network("64:ff9b::/96"):
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


class Outgoing:
    """Sends deliveries: see `registry.jobs.outbox.Sender`."""

    def __init__(self, session: aiohttp.ClientSession, seconds: float) -> None:
        self._session = session
        self._seconds = seconds

    async def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """POST the body; returns the status of the answer, a redirect's too. Raises DeliveryError."""
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status
        except TimeoutError:
            raise DeliveryError(f"There was no answer within {self._seconds:g} seconds.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    refused = error
    while refused.__cause__ is not None:
        refused = refused.__cause__
    said = refused if isinstance(refused, RefusedAddressError) else error
    return f"It could not be sent: {str(said) or type(said).__name__}."


@asynccontextmanager
async def outgoing(*, loopback: bool = False, seconds: float = TIMEOUT) -> AsyncIterator[Outgoing]:
    """A sender for as long as the block runs. `loopback`: whether this machine itself may be sent to."""

    def connecting(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        check_address(str(address[0]), loopback=loopback)
        return socket.socket(family, kind, protocol)

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, socket_factory=connecting),
        timeout=aiohttp.ClientTimeout(total=seconds),
        headers={"User-Agent": "artifact-store"},
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
    )
    async with session:
        yield Outgoing(session, seconds)
