"""The S3 dialects: path-style requests with Signature Version 4, in headers or in a presigned URL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote, urlencode, urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.request import Body, Request

REGION = "us-east-1"
BUCKET = "bench"
_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_PAYLOAD = "payload_sha256"
_PRESIGNED_SECONDS = 24 * 3600


@dataclass(frozen=True)
class _S3(ABC):
    access_key: str
    secret_key: str
    host: str
    """As in the Host header: with the port."""

    name: ClassVar[str]

    def create_bucket(self) -> Request:
        return self._request("PUT", "", {}, None)

    def put(self, key: str, body: Body) -> Request:
        return self._request("PUT", key, {}, body)

    def get(self, key: str) -> Request:
        return self._request("GET", key, {}, None)

    def list_page(self, after: str) -> Request | None:
        return self._request("GET", "", {"list-type": "2", "max-keys": "1000", "start-after": after}, None)

    def _request(self, method: str, key: str, query: Mapping[str, str], body: Body | None) -> Request:
        path = f"/{BUCKET}/{quote(key)}" if key else f"/{BUCKET}"
        request = AWSRequest(method, f"http://{self.host}{path}?{urlencode(query)}".rstrip("?"))
        self._sign(request, body)
        url = urlsplit(request.url)
        target = f"{url.path}?{url.query}" if url.query else url.path
        headers = [("Host", self.host), *request.headers.items()]
        if body is not None:
            headers.append(("Content-Length", str(body.size)))
        return Request.of(method, target, headers, body)

    @property
    def _credentials(self) -> Credentials:
        return Credentials(self.access_key, self.secret_key)

    @abstractmethod
    def _sign(self, request: AWSRequest, body: Body | None) -> None: ...


class SignedHeader(_S3):
    """The payload's SHA-256 is part of what is signed: what SDKs do without TLS."""

    name = "signed header"

    def _sign(self, request: AWSRequest, body: Body | None) -> None:
        request.context[_PAYLOAD] = body.sha256() if body else _EMPTY_SHA256
        _PayloadKnown(self._credentials, "s3", REGION).add_auth(request)


class Presigned(_S3):
    """The payload is not signed."""

    name = "presigned"

    def _sign(self, request: AWSRequest, body: Body | None) -> None:  # noqa: ARG002
        S3SigV4QueryAuth(self._credentials, "s3", REGION, expires=_PRESIGNED_SECONDS).add_auth(request)


class _PayloadKnown(S3SigV4Auth):  # type: ignore[misc]
    """Takes the payload's digest as it is given instead of reading the payload."""

    def payload(self, request: AWSRequest) -> str:
        digest: str = request.context[_PAYLOAD]
        return digest
