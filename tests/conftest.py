"""What every test can ask for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from tests.services.certificate import Certificate, self_signed
from tests.services.postgres import Postgres
from tests.services.server import Server


class StartServer(Protocol):
    """Starts a server in a directory of its own; `settings` are by name, as in `gateway.settings`."""

    def __call__(self, *, tls: bool = False, **settings: object) -> Server: ...


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private PostgreSQL cluster."""
    cluster = Postgres.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """The URL of the cluster, without a database."""
    return postgres.url


@pytest.fixture(scope="session")
def fresh_database(postgres: Postgres) -> Callable[[], str]:
    """Each call creates an empty PostgreSQL database and returns its URL."""
    return postgres.fresh_database


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for the loopback addresses."""
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server over HTTP, with two workers and the embedded database; shared by all tests of a run."""
    running = Server.start(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Server]:
    """The same over TLS."""
    running = Server.start(tmp_path_factory.mktemp("tls-server"), certificate=certificate)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str]) -> Iterator[Server]:
    """The same over HTTP, on PostgreSQL."""
    running = Server.start(tmp_path_factory.mktemp("postgres-server"), database_url=fresh_database())
    yield running
    running.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_server(request: pytest.FixtureRequest) -> Server:
    """The shared servers on either database in turn."""
    name = "server" if request.param == "sqlite" else "postgres_server"
    running: Server = request.getfixturevalue(name)
    return running


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[StartServer]:
    """Start a server for one test alone; it is killed at the end if the test did not stop it."""
    running: list[Server] = []
    directory, numbers = tmp_path_factory.mktemp("server"), itertools.count()

    def start(*, tls: bool = False, **settings: object) -> Server:
        trusted: Certificate | None = request.getfixturevalue("certificate") if tls else None
        running.append(Server.start(directory / str(next(numbers)), certificate=trusted, **settings))
        return running[-1]

    yield start
    for started in running:
        started.kill()
