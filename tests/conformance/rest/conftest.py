"""Callers of a running server's REST face, and of its S3 face beside it."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.conformance.rest.rest import Rest
from tests.services.server import Server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def root(server: Server) -> Rest:
    """The administrator."""
    return Rest(server.registry_url, server.access_key, server.secret_key)


@pytest.fixture(scope="session")
def rest(server: Server) -> Rest:
    """An account that is no administrator."""
    return account(server, "rest-main")


@pytest.fixture(scope="session")
def stranger(server: Server) -> Rest:
    """Another one, which sees nothing of the first."""
    return account(server, "rest-alt")


def account(server: Server, name: str) -> Rest:
    server.command("account", "create", name)
    made = json.loads(server.command("key", "create", name, "--json").stdout)
    return Rest(server.registry_url, made["access_key"], made["secret_key"])


@pytest.fixture(scope="session")
def s3(server: Server, rest: Rest) -> Any:
    """A boto3 client of the same account as `rest`."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name=server.region,
        aws_access_key_id=rest.access_key,
        aws_secret_access_key=rest.secret_key,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


@pytest.fixture
def repository(rest: Rest) -> str:
    """A new repository."""
    name = f"rest-{os.getpid()}-{next(_numbers)}"
    rest.call("POST", "/repositories", status=201, content={"name": name})
    return name


@pytest.fixture
def package(rest: Rest, repository: str) -> str:
    """The path of a new package without files."""
    made = rest.call("POST", "/packages", status=201, content={"repository": repository, "name": "run-42"})
    return f"/packages/{made['id']}"


@pytest.fixture
def put(rest: Rest, package: str) -> Callable[..., Any]:
    """Upload a file into the package."""

    def put(path: str, body: bytes = b"data", *, status: int = 201, query: str = "", **headers: str) -> Any:
        return rest.call("PUT", f"{package}/files/{path}{query}", status=status, body=body, headers=headers)

    return put


@pytest.fixture
def finalized(rest: Rest, package: str, put: Callable[..., Any]) -> str:
    """The path of a package that is finalized, with two files."""
    put("a.txt", b"first")
    put("dir/b.txt", b"second")
    rest.call("POST", f"{package}/finalize")
    return package
