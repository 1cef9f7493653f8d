"""The face on its socket: what a client that misbehaves gets, and what the observer is told."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from gateway.s3.face import Configuration
from gateway.s3.operations import multipart_upload
from tests.unit.s3.served import Counter, Endpoint, served
from tests.wire.requester import Requester, Response

EXPECT = {"Expect": "100-continue"}


@pytest.fixture(scope="module")
def counter() -> Counter:
    return Counter()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory, counter: Counter) -> Iterator[Endpoint]:
    configuration = Configuration(domains=("s3.localhost",), stall_timeout=0.5, max_bodies=1)
    with served(tmp_path_factory.mktemp("served"), observer=counter, configuration=configuration) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def wire(endpoint: Endpoint) -> Requester:
    requester = Requester(endpoint.host, endpoint.port, endpoint.main.access_key, endpoint.main.secret_key)
    assert requester.request("PUT", "/bucket").status == 200
    return requester


def put_head(wire: Requester, target: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    fields = {"Content-Length": str(len(body)), **(headers or {})}
    return wire.head("PUT", target, fields, payload_hash=hashlib.sha256(body).hexdigest())


def last_words(wire: Requester, *pieces: bytes) -> Response:
    """The answer after which the server closes the connection."""
    with wire.connect() as connection:
        connection.send(*pieces)
        response = connection.receive()
        assert response.header("connection") == "close"
        assert connection.closed_by_peer()
        return response


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"NONSENSE\r\n\r\n", "BadRequest"),
        (b"GET / HTTP/1.1\r\n\r\n", "BadRequest"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nbad header\r\n\r\n", "BadRequest"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "BadRequest"),
        (b"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "BadRequest"),
        (b"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "BadRequest"),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", "RequestHeaderSectionTooLarge"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nx: " + b"x" * 40_000 + b"\r\n\r\n", "RequestHeaderSectionTooLarge"),
    ],
)
def test_what_is_no_http_is_refused_in_s3s_words_and_the_connection_closes(
    wire: Requester, sent: bytes, code: str
) -> None:
    response = last_words(wire, sent)
    assert (response.status, response.code) == (400, code)
    assert response.header("x-amz-request-id")


def test_the_body_is_asked_for_after_the_checks(wire: Requester) -> None:
    with wire.connect() as connection:
        connection.send(put_head(wire, "/bucket/expect", b"hello", EXPECT))
        time.sleep(0.1)
        connection.send(b"hello")
        response = connection.receive()
        assert (response.status, list(response.interim)) == (200, [100])
        connection.send(wire.head("GET", "/bucket/expect"))
        assert connection.receive().body == b"hello"


@pytest.mark.parametrize("target", ["/nosuchbucket/key", "/bucket/" + "k" * 1025, "/bucket/key?acl"])
def test_a_refused_body_is_never_asked_for(wire: Requester, target: str) -> None:
    response = last_words(wire, put_head(wire, target, b"hello", EXPECT))
    assert response.status >= 400
    assert list(response.interim) == []


def test_an_empty_body_that_would_wait_does_not_cost_the_connection(wire: Requester) -> None:
    with wire.connect() as connection:
        for _ in range(2):
            connection.send(put_head(wire, "/bucket/empty", b"", EXPECT))
            response = connection.receive()
            assert (response.status, list(response.interim)) == (200, [100])


def test_a_refused_empty_body_does_not_cost_the_connection_either(wire: Requester) -> None:
    with wire.connect() as connection:
        for _ in range(2):
            connection.send(put_head(wire, "/nosuchbucket/empty", b"", EXPECT))
            response = connection.receive()
            assert (response.code, list(response.interim)) == ("NoSuchBucket", [100])


def test_an_unknown_signer_is_not_asked_for_a_body(wire: Requester) -> None:
    stranger = Requester(wire.host, wire.port, "AKSTRANGER", "secret")
    response = last_words(wire, put_head(stranger, "/bucket/key", b"hello", EXPECT))
    assert (response.status, response.code, list(response.interim)) == (403, "InvalidAccessKeyId", [])


def test_a_refusal_leaves_the_connection_usable(wire: Requester) -> None:
    with wire.connect() as connection:
        connection.send(put_head(wire, "/nosuchbucket/key", b"hello"), b"hello")
        assert connection.receive().code == "NoSuchBucket"
        connection.send(wire.head("GET", "/bucket/nosuchkey"))
        assert connection.receive().code == "NoSuchKey"
        connection.send(wire.head("GET", "/bucket"))
        assert connection.receive().status == 200


def test_pipelined_requests_are_answered_in_order(wire: Requester) -> None:
    big = b"x" * 300_000
    wire.request("PUT", "/bucket/big", body=big)
    with wire.connect() as connection:
        connection.send(*[wire.head("GET", "/bucket/big"), wire.head("GET", "/bucket?location")] * 3)
        for _ in range(3):
            assert connection.receive().body == big
            assert b"LocationConstraint" in connection.receive().body


def test_a_body_cut_short_is_incomplete(wire: Requester) -> None:
    with wire.connect() as connection:
        connection.send(put_head(wire, "/bucket/short", b"hello"), b"he")
        connection.end()
        response = connection.receive()
        assert (response.status, response.code) == (400, "IncompleteBody")
        assert connection.closed_by_peer()
    assert wire.request("GET", "/bucket/short").code == "NoSuchKey"


def test_a_body_that_stalls_times_out(wire: Requester) -> None:
    with wire.connect() as connection:
        connection.send(put_head(wire, "/bucket/stalled", b"hello"), b"he")
        response = connection.receive()
        assert (response.status, response.code) == (400, "RequestTimeout")
        assert response.header("connection") == "close"


def test_broken_chunked_framing_ends_at_once(wire: Requester) -> None:
    head = wire.head("PUT", "/bucket/chunked", {"Transfer-Encoding": "chunked"}, payload_hash="UNSIGNED-PAYLOAD")
    began = time.monotonic()
    with wire.connect() as connection:
        connection.send(head, b"5\r\nhello\r\n")
        time.sleep(0.1)
        connection.send(b"nonsense\r\n")
        response = connection.receive()
        assert (response.status, response.code) == (400, "IncompleteBody")
        assert connection.closed_by_peer()
    assert time.monotonic() - began < 0.4
    assert wire.request("GET", "/bucket/chunked").code == "NoSuchKey"


def test_a_head_that_dribbles_in_is_cut_off(wire: Requester) -> None:
    with wire.connect() as connection:
        connection.send(b"GET / HT")
        began = time.monotonic()
        assert connection.closed_by_peer()
        assert 0.5 < time.monotonic() - began < 3


def test_a_connection_may_rest_after_a_body_that_came_in_pieces(wire: Requester) -> None:
    with wire.connect() as connection:
        connection.send(put_head(wire, "/bucket/pieces", b"hello"), b"he")
        time.sleep(0.1)
        connection.send(b"llo")
        assert connection.receive().status == 200
        time.sleep(1.3)  # longer than a head may take
        connection.send(wire.head("GET", "/bucket/pieces"))
        assert connection.receive().body == b"hello"


def test_bodies_beyond_the_bound_are_told_to_slow_down(wire: Requester) -> None:
    with wire.connect() as first:
        first.send(put_head(wire, "/bucket/first", b"hello"))
        time.sleep(0.1)
        refused = wire.request("PUT", "/bucket/second", body=b"x")
        assert (refused.status, refused.code) == (503, "SlowDown")
        assert wire.request("GET", "/bucket").status == 200
        first.send(b"hello")
        assert first.receive().status == 200
    assert wire.request("PUT", "/bucket/second", body=b"x").status == 200


def test_a_client_that_takes_nothing_is_cut_off(wire: Requester, counter: Counter) -> None:
    wire.request("PUT", "/bucket/huge", body=bytes(24 << 20))
    with wire.connect() as connection:
        connection.send(wire.head("GET", "/bucket/huge"))
        time.sleep(1.5)
        with pytest.raises(ConnectionError, match="closed after"):
            connection.receive()


def test_head_has_the_headers_of_get_and_no_body(wire: Requester) -> None:
    wire.request("PUT", "/bucket/head", body=b"hello")
    with wire.connect() as connection:
        for _ in range(2):
            connection.send(wire.head("HEAD", "/bucket/head"))
            response = connection.receive("HEAD")
            assert (response.status, response.header("content-length")) == (200, "5")
        connection.send(wire.head("HEAD", "/bucket/nosuchkey"))
        assert connection.receive("HEAD").status == 404
        connection.send(wire.head("GET", "/bucket/head"))
        assert connection.receive().body == b"hello"


def test_http_1_0_closes_unless_asked_not_to(wire: Requester) -> None:
    head = wire.head("GET", "/bucket?location").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    assert last_words(wire, head).status == 200


def test_virtual_host(wire: Requester, endpoint: Endpoint) -> None:
    named = {"Host": f"bucket.{endpoint.domain}"}
    assert wire.request("PUT", "/virtual", {**named, "Content-Length": "1"}, b"x").status == 200
    assert wire.request("GET", "/virtual", named).body == b"x"
    assert wire.request("GET", "/bucket/virtual").body == b"x"


def test_a_host_that_may_have_meant_a_bucket_is_told_so(wire: Requester) -> None:
    refused = wire.request("GET", "/nosuchbucket", {"Host": "bucket.gateway.example"})
    assert refused.code == "NoSuchBucket"
    assert b"ARTIFACT_STORE_S3_DOMAIN" in refused.body


def test_what_s3_has_and_this_server_not_is_refused_by_name(wire: Requester) -> None:
    refused = wire.request("GET", "/bucket/key?torrent")
    assert (refused.status, refused.code) == (501, "NotImplemented")
    assert b"GetObjectTorrent" in refused.body
    assert wire.request("PATCH", "/bucket/key").code in {"MethodNotAllowed", "BadRequest"}
    assert wire.request("POST", "/bucket/key").code == "MethodNotAllowed"


def test_anonymous_requests_are_refused(wire: Requester) -> None:
    refused = wire.request("GET", "/bucket", signed=False)
    assert (refused.status, refused.code) == (403, "AccessDenied")
    assert b"not signed" in refused.body


def test_an_expected_owner_is_checked(wire: Requester) -> None:
    refused = wire.request("GET", "/bucket", {"x-amz-expected-bucket-owner": "somebody"})
    assert (refused.status, refused.code) == (403, "AccessDenied")


def test_every_request_is_told_once(wire: Requester, counter: Counter) -> None:
    deadline = time.monotonic() + 5
    while len(counter.begun) != len(counter.ended) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(counter.begun) == len(counter.ended)
    before = len(counter.ended)
    wire.request("PUT", "/bucket/told", body=b"hello")
    wire.request("GET", "/bucket/told")
    wire.request("GET", "/bucket/%ff")
    while len(counter.ended) < before + 3:
        time.sleep(0.01)
    assert counter.ended[before:][0] == ("PutObject", 200, 5, 0)
    assert counter.ended[before:][1] == ("GetObject", 200, 0, 5)
    assert counter.ended[before:][2][:2] == ("Unknown", 400)


def test_many_clients_at_once(wire: Requester) -> None:
    data = bytes(range(256)) * 2000
    wire.request("PUT", "/bucket/shared", body=data)
    failed: list[object] = []

    def read() -> None:
        with wire.connect() as connection:
            for start in range(0, 300_000, 50_000):
                connection.send(wire.head("GET", "/bucket/shared", {"Range": f"bytes={start}-{start + 99_999}"}))
                if connection.receive().body != data[start : start + 100_000]:
                    failed.append(start)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_completion_that_takes_long_keeps_the_client_waiting(
    wire: Requester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart_upload, "_PATIENCE", 0.0)
    begun = wire.request("POST", "/bucket/slow?uploads", body=b"").body
    upload = begun.partition(b"<UploadId>")[2].partition(b"<")[0].decode()
    part = wire.request("PUT", f"/bucket/slow?partNumber=1&uploadId={upload}", body=b"part")
    etag = part.header("etag")

    def complete(etag: str | None) -> Response:
        part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
        body = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
        return wire.request("POST", f"/bucket/slow?uploadId={upload}", body=body)

    failed = complete("0" * 32)
    assert (failed.status, failed.code) == (200, "InvalidPart")
    answer = complete(etag)
    assert (answer.status, answer.header("transfer-encoding")) == (200, "chunked")
    assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n ')
    assert ET.fromstring(answer.body).findtext("{*}Key") == "slow"
    assert wire.request("GET", "/bucket/slow").body == b"part"
