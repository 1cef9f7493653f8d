"""The real server is stopped, and its workers are killed, while clients are at it."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest

from tests.conftest import StartServer
from tests.services.postgres import Postgres
from tests.services.server import Server

BUCKET = "evidence"


def client(server: Server, **config: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=botocore.config.Config(signature_version="s3v4", **config),
    )


@contextmanager
def connection(server: Server) -> Iterator[socket.socket]:
    host, port = server.endpoint_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as opened:
        yield opened


def put_head(server: Server, key: str, length: int) -> bytes:
    url = client(server).generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": key})
    target = url.removeprefix(server.endpoint_url)
    host = server.endpoint_url.removeprefix("http://")
    return f"PUT {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n".encode()


def received(opened: socket.socket) -> bytes:
    answer = b""
    while piece := opened.recv(65536):
        answer += piece
    return answer


def workers(server: Server) -> set[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


def until(condition: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def own(start_server: StartServer, request: pytest.FixtureRequest) -> Server:
    server = start_server(**getattr(request, "param", {}))
    client(server).create_bucket(Bucket=BUCKET)
    return server


def test_a_put_in_flight_is_finished_and_kept(own: Server) -> None:
    with connection(own) as opened:
        opened.sendall(put_head(own, "run-1/slow", 9) + b"half")
        time.sleep(0.3)
        own.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in own.log)
        time.sleep(0.3)
        opened.sendall(b" done")
        answer = received(opened)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert own.process.wait(timeout=20) == 0

    again = Server.start(own.directory, **{**own.settings, "s3_port": 0})
    try:
        assert client(again).get_object(Bucket=BUCKET, Key="run-1/slow")["Body"].read() == b"half done"
    finally:
        again.stop()


def test_a_get_in_flight_is_finished(own: Server) -> None:
    content = os.urandom(8 << 20)
    s3 = client(own)
    s3.put_object(Bucket=BUCKET, Key="run-1/large", Body=content)
    body = s3.get_object(Bucket=BUCKET, Key="run-1/large")["Body"]
    begin = body.read(1000)
    own.process.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in own.log)
    time.sleep(0.3)
    assert begin + body.read() == content
    assert own.process.wait(timeout=20) == 0


@pytest.mark.parametrize("own", [{"grace_time": 1}], indirect=True)
def test_what_does_not_finish_is_cut_after_the_grace_time(own: Server) -> None:
    with connection(own) as opened:
        opened.sendall(put_head(own, "run-1/never", 9) + b"half")
        time.sleep(0.3)
        began = time.monotonic()
        own.stop()
        assert 1 <= time.monotonic() - began < 8
        assert not received(opened).startswith(b"HTTP/1.1 200 ")


def test_idle_connections_do_not_hold_it_up(own: Server) -> None:
    with connection(own) as idle, connection(own) as opened:
        opened.sendall(put_head(own, "run-1/quick", 5) + b"quick")
        assert opened.recv(65536).startswith(b"HTTP/1.1 200 ")
        began = time.monotonic()
        own.stop()
        assert time.monotonic() - began < 5
        assert idle.recv(10) == b""


def test_nothing_is_accepted_once_it_stops(own: Server) -> None:
    own.stop()
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        client(own, retries={"total_max_attempts": 1}).list_buckets()


def test_killed_workers_are_replaced_and_what_they_answered_is_kept(own: Server) -> None:
    s3 = client(own, retries={"total_max_attempts": 10, "mode": "standard"})
    for round_ in range(4):
        s3.put_object(Bucket=BUCKET, Key=f"run-1/{round_}", Body=str(round_).encode())
        victim = min(workers(own))
        os.kill(victim, signal.SIGKILL)
        until(lambda gone=victim: gone not in workers(own) and len(workers(own)) == 2)
    for round_ in range(4):
        assert s3.get_object(Bucket=BUCKET, Key=f"run-1/{round_}")["Body"].read() == str(round_).encode()
    messages = [line["message"] for line in own.log_lines()]
    assert sum(message.startswith("a worker ended by SIGKILL") for message in messages) == 4
    own.stop()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A cluster that nobody else depends on."""
    cluster = Postgres.start()
    yield cluster
    cluster.stop()


def test_a_database_that_goes_away_and_comes_back(start_server: StartServer, own_postgres: Postgres) -> None:
    """Not ready, but alive, and saying why; when the database is back the server serves again."""
    server = start_server(database_url=own_postgres.fresh_database())
    client(server).create_bucket(Bucket=BUCKET)

    own_postgres.interrupt()
    refused: dict[str, str] = {}

    def refusing() -> bool:
        try:
            urllib.request.urlopen(f"{server.registry_url}/health/ready", timeout=10).close()
        except urllib.error.HTTPError as answer:
            with answer:
                refused.update(json.load(answer))
        return bool(refused)

    until(refusing)
    assert refused["status"] == "unavailable"
    assert refused["database"] != "ok"
    assert refused["store"] == "ok"
    with pytest.raises(botocore.exceptions.ClientError, match="ServiceUnavailable"):
        client(server, retries={"total_max_attempts": 1}).put_object(Bucket=BUCKET, Key="run-1/a", Body=b"a")

    own_postgres.resume()
    until(server._ready)
    client(server).put_object(Bucket=BUCKET, Key="run-1/a", Body=b"a")
    assert client(server).get_object(Bucket=BUCKET, Key="run-1/a")["Body"].read() == b"a"
    server.stop()
