"""What every test can ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.services.postgres import Postgres


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
