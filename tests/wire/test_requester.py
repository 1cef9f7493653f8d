"""The requester against a server that authenticates and reads, over TCP and TLS: two signers that must agree."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.auth.errors import RequestRefused
from gateway.auth.sigv4 import SignedRequest, authenticate
from gateway.http.body import Body
from registry.digests import Digests
from registry.model import Credential
from tests.wire.requester import Requester, Response

CREDENTIAL = Credential("AKIDWIRE", "wire/secret+key", "id", "name", administrator=False)
CRC32_OF_ABC = base64.b64encode(0x352441C2.to_bytes(4, "big")).decode()


async def echo(request: web.Request) -> web.Response:
    """Authenticate, read, and answer with the body, or with the refusal as S3 would."""
    try:
        authentication = authenticate(
            SignedRequest.of(request.method, request.raw_path, request.headers.items()),
            lambda _: CREDENTIAL,
            region="us-east-1",
            now=datetime.now(UTC),
        )
        body = Body(request.content, authentication.headers, authentication.payload, stall_timeout=0.3)
        digests = Digests(["CRC32"])
        pieces = []
        async for batch in body:
            digests.update(batch)
            pieces += batch
        body.finish(digests)
        body.expect.verify(digests)
    except RequestRefused as refusal:
        response = web.Response(status=400, text=f"<Error><Code>{refusal.code}</Code></Error>")
        response.force_close()
        return response
    return web.Response(body=b"".join(pieces), headers={"x-kind": authentication.payload.kind.value})


@pytest.fixture(params=["tcp", "tls"])
async def requester(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Requester]:
    server_tls, client_tls = contexts(tmp_path) if request.param == "tls" else (None, None)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(application, lingering_time=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls)
    await site.start()
    yield Requester("127.0.0.1", runner.addresses[0][1], CREDENTIAL.access_key, CREDENTIAL.secret, tls=client_tls)
    await runner.cleanup()


def contexts(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context around a fresh self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())


async def in_thread(call: Callable[[], Response]) -> Response:
    return await asyncio.wait_for(asyncio.to_thread(call), 10)


@pytest.mark.parametrize("target", ["/b/k", "/b//a/../%2F+(x)?prefix=a%20b&uploads", "/b/%E2%82%AC"])
async def test_signed_put(requester: Requester, target: str) -> None:
    response = await in_thread(lambda: requester.request("PUT", target, {"x-amz-meta-a": "b  c"}, b"abc"))
    assert (response.status, response.body) == (200, b"abc")


async def test_many_requests_on_one_connection(requester: Requester) -> None:
    def run() -> Response:
        with requester.connect() as connection:
            for size in (0, 10, 200_000):
                connection.send(
                    requester.head("PUT", "/b/k", {"Content-Length": str(size)}, payload_hash="UNSIGNED-PAYLOAD"),
                    b"x" * size,
                )
                response = connection.receive()
                assert response.body == b"x" * size
            return response

    assert (await in_thread(run)).status == 200


async def test_signed_chunks_with_trailer_in_http_chunks(requester: Requester) -> None:
    def run(spoil: bytes = b"abc") -> Response:
        fields = requester.sign(
            "PUT",
            "/b/k",
            {
                "Host": requester.netloc,
                "Transfer-Encoding": "chunked",
                "x-amz-decoded-content-length": "3",
                "x-amz-trailer": "x-amz-checksum-crc32",
            },
            payload_hash="STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        )
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        body = b"".join(requester.chunks(fields, [b"abc"], {"x-amz-checksum-crc32": CRC32_OF_ABC})).replace(
            b"abc\r", spoil + b"\r"
        )
        with requester.connect() as connection:
            connection.send(f"PUT /b/k HTTP/1.1\r\n{head}\r\n".encode())
            for position in range(0, len(body), 10):
                piece = body[position : position + 10]
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\n\r\n")
            return connection.receive()

    response = await in_thread(run)
    assert (response.body, response.header("X-Kind")) == (b"abc", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
    assert (await in_thread(lambda: run(b"abd"))).code == "SignatureDoesNotMatch"


async def test_stalled_body(requester: Requester) -> None:
    def run() -> Response:
        with requester.connect() as connection:
            connection.send(
                requester.head("PUT", "/b/k", {"Content-Length": "5"}, payload_hash="UNSIGNED-PAYLOAD"), b"ab"
            )
            response = connection.receive()
            assert connection.closed_by_peer()
            return response

    assert (await in_thread(run)).code == "RequestTimeout"


async def test_expect_continue_and_wrong_digest(requester: Requester) -> None:
    def run() -> Response:
        with requester.connect() as connection:
            connection.send(
                requester.head("PUT", "/b/k", {"Content-Length": "3", "Expect": "100-continue"}, payload_hash="0" * 64)
            )
            connection.send(b"abc")
            return connection.receive()

    response = await in_thread(run)
    assert (response.interim, response.code) == ([100], "XAmzContentSHA256Mismatch")


async def test_unsigned_request_and_unsigned_header(requester: Requester) -> None:
    assert (await in_thread(lambda: requester.request("PUT", "/b/k", body=b"abc", signed=False))).body == b"abc"
    response = await in_thread(
        lambda: requester.request("PUT", "/b/k", body=b"abc", unsigned_headers={"x-amz-copy-source": "/b/other"})
    )
    assert response.code == "AccessDenied"
