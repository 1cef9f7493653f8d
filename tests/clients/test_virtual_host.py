"""Buckets named by the host, as stock SDKs address a domain of one's own."""

from __future__ import annotations

import socket
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.services.server import DOMAIN, Server


@pytest.fixture
def s3(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client whose buckets are hosts below the server's domain; the names lead to this machine."""
    resolve = socket.getaddrinfo

    def to_this_machine(host: Any, *rest: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if str(host).endswith(DOMAIN) else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", to_this_machine)
    return boto3.client(
        "s3",
        endpoint_url=f"http://{DOMAIN}:{server.endpoint_url.rpartition(':')[2]}",
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(s3={"addressing_style": "virtual"}, signature_version="s3v4"),
    )


def test_a_bucket_by_its_host(s3: Any) -> None:
    s3.create_bucket(Bucket="by-host")
    s3.put_object(Bucket="by-host", Key="run 1/é+.txt", Body=b"by host")
    assert s3.get_object(Bucket="by-host", Key="run 1/é+.txt")["Body"].read() == b"by host"
    assert [found["Key"] for found in s3.list_objects_v2(Bucket="by-host")["Contents"]] == ["run 1/é+.txt"]
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "by-host", "Key": "run 1/é+.txt"})
    assert link.startswith(f"http://by-host.{DOMAIN}:")
    s3.delete_object(Bucket="by-host", Key="run 1/é+.txt")
    s3.delete_bucket(Bucket="by-host")
