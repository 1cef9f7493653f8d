"""Binding the ports: shared among the workers, with nobody else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from gateway.process.listeners import Listeners, PortUnavailableError
from gateway.settings import Settings


def settings(**flags: Any) -> Settings:
    return Settings.load(flags={"port": 0, "s3_port": 0, "workers": 3, **flags}, environ={})


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_every_worker_has_a_pair_on_the_same_ports() -> None:
    with closing(Listeners.bind(settings())) as listeners:
        assert len(listeners.pairs) == 3
        assert len({pair.s3.getsockname() for pair in listeners.pairs}) == 1
        assert len({pair.registry.getsockname() for pair in listeners.pairs}) == 1
        assert listeners.s3_url == f"http://127.0.0.1:{listeners.pairs[0].s3.getsockname()[1]}"


@pytest.mark.parametrize("name", ["s3_port", "port"])
def test_a_port_in_use_is_named(taken: int, name: str) -> None:
    with pytest.raises(PortUnavailableError) as caught:
        Listeners.bind(settings(**{name: taken}))
    flag = "--" + name.replace("_", "-")
    assert str(caught.value) == (
        f"{name} (flag {flag}): port {taken} of 127.0.0.1 is in use; stop what listens there, or choose another port."
    )


def test_a_port_shared_by_another_server_is_in_use() -> None:
    with closing(Listeners.bind(settings())) as first:
        port = first.pairs[0].s3.getsockname()[1]
        with pytest.raises(PortUnavailableError, match="is in use"):
            Listeners.bind(settings(s3_port=port))


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(PortUnavailableError, match=rf"host \(flag --host\): {host} port 0 cannot be bound: .*; give "):
        Listeners.bind(settings(host=host))


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:"), ("::1", "http://[::1]:"), ("localhost", "http://localhost:")]
)
def test_the_url_is_one_that_can_be_reached(host: str, url: str) -> None:
    with closing(Listeners.bind(settings(host=host))) as listeners:
        assert listeners.s3_url.startswith(url)
