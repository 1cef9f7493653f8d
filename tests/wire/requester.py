"""A client that sends exactly the bytes it is told to: for requests that no SDK will send.

It signs with its own few lines of Signature Version 4, so that it cannot agree with the gateway by sharing its errors.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Response:
    """A parsed response. `interim` are the statuses that came before it, as 100; names of headers are lower-case."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    interim: Sequence[int] = ()

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def code(self) -> str | None:
        """What stands in the <Code> of an S3 error."""
        _, found, rest = self.body.partition(b"<Code>")
        return rest.partition(b"</Code>")[0].decode() if found else None


class Connection:
    """One TCP or TLS connection. `send` bytes as they are, `receive` one response."""

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None, timeout: float = 10.0) -> None:
        plain = socket.create_connection((host, port), timeout)
        self._socket = tls.wrap_socket(plain, server_hostname=host) if tls else plain
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._socket.sendall(piece)

    def end(self) -> None:
        """Say that no more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def closed_by_peer(self) -> bool:
        """Wait for the end of the connection; False if the peer sends something instead, or keeps it open."""
        try:
            return not self._buffer and self._socket.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def receive(self, method: str = "GET") -> Response:
        """The next final response. `method` is that of the request: a HEAD has no body."""
        interim: list[int] = []
        while True:
            head = self._until(b"\r\n\r\n").decode("latin-1")
            first, *lines = head.split("\r\n")
            status = int(first.split(" ", 2)[1])
            if status >= 200:
                break
            interim.append(status)
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        fields = dict(headers)
        if method == "HEAD" or status in {204, 304}:
            body = b""
        elif "chunked" in fields.get("transfer-encoding", ""):
            body = self._chunks()
        elif "content-length" in fields:
            body = self._exactly(int(fields["content-length"]))
        else:
            body = self._rest()
        return Response(status, headers, body, interim)

    def _more(self) -> bool:
        data = self._socket.recv(65536)
        self._buffer += data
        return bool(data)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            if not self._more():
                raise ConnectionError(f"closed after {self._buffer[:200]!r}")
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._more():
                raise ConnectionError(f"closed after {len(self._buffer)} of {size} bytes")
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            body += self._exactly(size)
            self._exactly(2)
        while self._until(b"\r\n"):
            pass
        return body

    def _rest(self) -> bytes:
        while self._more():
            pass
        found, self._buffer = self._buffer, b""
        return found


@dataclass(frozen=True, slots=True)
class Requester:
    """Builds, signs and sends requests to one endpoint."""

    host: str
    port: int
    access_key: str = ""
    secret: str = field(default="", repr=False)
    region: str = "us-east-1"
    tls: ssl.SSLContext | None = None

    @property
    def netloc(self) -> str:
        return f"{self.host}:{self.port}"

    def connect(self, timeout: float = 10.0) -> Connection:
        return Connection(self.host, self.port, tls=self.tls, timeout=timeout)

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        payload_hash: str | None = None,
        unsigned_headers: Mapping[str, str] | None = None,
        signed: bool = True,
        now: datetime | None = None,
    ) -> Response:
        """Send one request on a connection of its own and read the response."""
        with self.connect() as connection:
            connection.send(
                self.head(
                    method,
                    target,
                    {"Content-Length": str(len(body))} | dict(headers or {}) if body or headers is None else headers,
                    payload_hash=hashlib.sha256(body).hexdigest() if payload_hash is None else payload_hash,
                    unsigned_headers=unsigned_headers,
                    signed=signed,
                    now=now,
                ),
                body,
            )
            return connection.receive(method)

    def head(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        payload_hash: str = EMPTY_SHA256,
        unsigned_headers: Mapping[str, str] | None = None,
        signed: bool = True,
        now: datetime | None = None,
    ) -> bytes:
        """The request line and headers, with a signature over all but `unsigned_headers`."""
        fields = {"Host": self.netloc} | dict(headers or {})
        if signed:
            fields = self.sign(method, target, fields, payload_hash=payload_hash, now=now)
        return raw_head(method, target, [*fields.items(), *(unsigned_headers or {}).items()])

    def sign(
        self, method: str, target: str, headers: Mapping[str, str], *, payload_hash: str, now: datetime | None = None
    ) -> dict[str, str]:
        """The headers with the three that authenticate."""
        timestamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        fields = dict(headers) | {"x-amz-date": timestamp, "x-amz-content-sha256": payload_hash}
        lower = {name.lower(): " ".join(value.split()) for name, value in fields.items()}
        names = ";".join(sorted(lower))
        path, _, query = target.partition("?")
        pairs = [part.partition("=")[::2] for part in query.split("&") if part]
        canonical = "\n".join(
            (
                method,
                path,
                "&".join(sorted("=".join(quote(unquote(half), safe="-_.~") for half in pair) for pair in pairs)),
                *(f"{name}:{lower[name]}" for name in sorted(lower)),
                "",
                names,
                payload_hash,
            )
        )
        signature = hmac.new(
            self.signing_key(timestamp[:8]),
            "\n".join(
                ("AWS4-HMAC-SHA256", timestamp, self.scope(timestamp), hashlib.sha256(canonical.encode()).hexdigest())
            ).encode(),
            "sha256",
        ).hexdigest()
        fields["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{self.scope(timestamp)},"
            f"SignedHeaders={names},Signature={signature}"
        )
        return fields

    def scope(self, timestamp: str) -> str:
        return f"{timestamp[:8]}/{self.region}/s3/aws4_request"

    def signing_key(self, date: str) -> bytes:
        key = f"AWS4{self.secret}".encode()
        for step in (date, self.region, "s3", "aws4_request"):
            key = hmac.new(key, step.encode(), "sha256").digest()
        return key

    def chunks(
        self, signed_headers: Mapping[str, str], payload: Iterable[bytes], trailer: Mapping[str, str] | None = None
    ) -> list[bytes]:
        """Signed aws-chunked pieces, one per chunk, after a head whose headers `sign` gave; then the trailer."""
        timestamp = signed_headers["x-amz-date"]
        previous = signed_headers["Authorization"].rpartition("=")[2]
        key = self.signing_key(timestamp[:8])

        def seal(kind: str, *digests: str) -> str:
            text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", timestamp, self.scope(timestamp), previous, *digests))
            return hmac.new(key, text.encode(), "sha256").hexdigest()

        pieces = []
        for chunk in (*payload, b""):
            previous = seal("PAYLOAD", EMPTY_SHA256, hashlib.sha256(chunk).hexdigest())
            pieces.append(
                b"%x;chunk-signature=%s\r\n%s" % (len(chunk), previous.encode(), chunk + b"\r\n" * bool(chunk))
            )
        if trailer:
            lines = [f"{name}:{value}" for name, value in trailer.items()]
            digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
            lines.append(f"x-amz-trailer-signature:{seal('TRAILER', digest)}")
            pieces.append("".join(f"{line}\r\n" for line in lines).encode())
        return [*pieces, b"\r\n"]


def raw_head(method: str, target: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """A request line and header lines, and the blank line. Surrogate escapes become the bytes they stand for."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")
