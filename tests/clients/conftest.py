"""The server as stock clients see it, and what they push."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import pytest

from tests.clients.client import Endpoint
from tests.fixtures import guide_board, trees
from tests.services.server import Server

pytest.register_assert_rewrite("tests.clients.suite")

_LARGE = (20 << 20) + 4321

_names = (f"clients-{number}" for number in itertools.count(1))


@pytest.fixture(scope="session")
def plain(server: Server) -> Endpoint:
    """The server's HTTP listener."""
    return Endpoint.of(server)


@pytest.fixture(params=["http", "https"])
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """A listener, HTTP and TLS in turn."""
    return Endpoint.of(request.getfixturevalue("server" if request.param == "http" else "tls_server"))


@pytest.fixture
def s3(endpoint: Endpoint) -> Any:
    """A boto3 client at the same listener, to prepare and to look behind."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        verify=str(endpoint.ca_file) if endpoint.ca_file else None,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new bucket."""
    name = next(_names)
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guide-board run with awkward names."""
    return guide_board.write(tmp_path_factory.mktemp("run"), awkward=True)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one file of 20 MiB and a bit."""
    directory = tmp_path_factory.mktemp("large")
    trees.write_big_file(directory / "stdout.log", _LARGE)
    return directory
