"""What the suite runs against: by default a server of its own, or the one that the environment names.

S3_ENDPOINT (host:port), S3_ACCESS_KEY, S3_SECRET_KEY and optionally S3_REGION, S3_DOMAIN, S3_ALT_ACCESS_KEY,
S3_ALT_SECRET_KEY name another one.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.services.server import DOMAIN, Server
from tests.wire.requester import Requester

_names = (f"conformance-{os.getpid()}-{number}" for number in itertools.count(1))


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an S3 server listens, and the keys of two accounts that do not see each other's buckets."""

    host: str
    port: int
    region: str
    main: Credentials
    alt: Credentials | None = None
    domain: str = ""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@pytest.fixture(scope="session")
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    named = os.environ.get("S3_ENDPOINT")
    if named is None:
        server: Server = request.getfixturevalue("server")
        host, _, port = server.endpoint_url.removeprefix("http://").rpartition(":")
        main, alt = (_new_account(server, name) for name in ("conformance-main", "conformance-alt"))
        return Endpoint(host, int(port), server.region, main, alt, DOMAIN)
    host, _, port = named.rpartition(":")
    other = os.environ.get("S3_ALT_ACCESS_KEY")
    return Endpoint(
        host,
        int(port),
        os.environ.get("S3_REGION", "us-east-1"),
        Credentials(os.environ["S3_ACCESS_KEY"], os.environ["S3_SECRET_KEY"]),
        Credentials(other, os.environ["S3_ALT_SECRET_KEY"]) if other else None,
        os.environ.get("S3_DOMAIN", ""),
    )


def _new_account(server: Server, name: str) -> Credentials:
    server.command("account", "create", name)
    made = json.loads(server.command("key", "create", name, "--json").stdout)
    return Credentials(made["access_key"], made["secret_key"])


def client(endpoint: Endpoint, credentials: Credentials, **settings: Any) -> Any:
    """A boto3 client that does not retry."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, **settings),
    )


@pytest.fixture(scope="session")
def s3(endpoint: Endpoint) -> Any:
    """A boto3 client of the main account."""
    return client(endpoint, endpoint.main)


@pytest.fixture(scope="session")
def alt_s3(endpoint: Endpoint) -> Any:
    """A boto3 client of another account."""
    assert endpoint.alt is not None, "S3_ALT_ACCESS_KEY and S3_ALT_SECRET_KEY name no other account"
    return client(endpoint, endpoint.alt)


@pytest.fixture(scope="session")
def wire(endpoint: Endpoint) -> Requester:
    """A client that says exactly what it is told, as the main account."""
    return Requester(
        endpoint.host, endpoint.port, endpoint.main.access_key, endpoint.main.secret_key, region=endpoint.region
    )


@pytest.fixture
def bucket_name() -> str:
    """A name that no bucket has."""
    return next(_names)


@pytest.fixture
def bucket(s3: Any, bucket_name: str) -> str:
    """A new bucket."""
    s3.create_bucket(Bucket=bucket_name)
    return bucket_name


@pytest.fixture
def put(s3: Any, bucket: str) -> Callable[..., Any]:
    """Put an object into the bucket."""

    def put(key: str, body: bytes = b"data", **arguments: Any) -> Any:
        return s3.put_object(Bucket=bucket, Key=key, Body=body, **arguments)

    return put
