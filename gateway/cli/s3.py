"""A small S3 client: what moving the files of a package takes, and no more.

Source: the operations of the same names, Amazon S3 API Reference.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ssl import SSLContext
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import quote, urlsplit

import aiohttp
import xmltodict
from yarl import URL

from gateway.auth.canonical import encoded_query
from gateway.auth.signer import KeyPair, sign
from gateway.cli.api import UnreachableError

_DELAYS = (0.2, 1.0, 3.0)
"""Seconds before a request is sent again that got no answer, or was told to come back."""
_LATER = frozenset({500, 502, 503, 504})


class S3Error(Exception):
    """S3 refused."""

    def __init__(self, status: int, code: str, message: str, resource: str) -> None:
        self.status = status
        self.code = code
        super().__init__(f"{resource}: {message} ({code})")


class Body(Protocol):
    """What is sent. It may be read more than once, and gives the same bytes each time or raises."""

    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str:
        """Hexadecimal. What is received must have it, or nothing is stored."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A part that S3 has: its number, its size, its ETag, and its SHA-256 in hex."""

    number: int
    size: int
    etag: str
    sha256: str


class S3:
    """A connection to an S3 endpoint; an asynchronous context manager. Buckets are addressed in the path.

    Every method raises S3Error for a refusal and UnreachableError where nothing answers. Requests that got no
    answer are sent again: none of them does more the second time.
    """

    def __init__(
        self,
        address: str,
        keys: KeyPair,
        *,
        region: str,
        ssl: SSLContext | None = None,
        connections: int = 1,
        delays: Sequence[float] | None = None,
    ) -> None:
        """`address` is like http://127.0.0.1:9000. Raises ValueError for anything else."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"{address!r} is not an address of an S3 endpoint, like http://127.0.0.1:9000.")
        self._address = f"{parts.scheme}://{parts.netloc}"
        self._host = parts.netloc
        self._keys = keys
        self._region = region
        self._ssl = ssl
        # Waited for before a request is signed: a signature does not keep.
        self._turns = asyncio.Semaphore(connections)
        self._delays = _DELAYS if delays is None else delays
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._ssl or True, limit=0),
            # Content is stored encoded as it came, and comes as it is stored.
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def put(self, bucket: str, key: str, body: Body | bytes, *, content_type: str | None = None) -> None:
        """PutObject."""
        await self._call("PUT", bucket, key, body=body, headers=_typed(content_type))

    async def read(self, bucket: str, key: str) -> bytes:
        """GetObject, the whole of a small one."""
        async with self.get(bucket, key) as content:
            return b"".join([piece async for piece in content])

    @asynccontextmanager
    async def get(self, bucket: str, key: str, *, start: int = 0) -> AsyncIterator[AsyncIterable[bytes]]:
        """GetObject, from that byte on. It is not tried again: the caller knows how far it came."""
        headers = {"range": f"bytes={start}-"} if start else {}
        async with self._exchange("GET", bucket, key, query={}, body=b"", headers=headers) as answer:
            yield answer.content.iter_any()

    async def create_upload(self, bucket: str, key: str, *, content_type: str | None = None) -> str:
        """CreateMultipartUpload, each part to be known by its SHA-256; returns the id of the upload."""
        headers = _typed(content_type) | {"x-amz-checksum-algorithm": "SHA256"}
        answer = await self._call("POST", bucket, key, query={"uploads": ""}, headers=headers)
        return str(_parsed(answer)["InitiateMultipartUploadResult"]["UploadId"])

    async def find_upload(self, bucket: str, key: str) -> str | None:
        """ListMultipartUploads: the id of the newest upload to this very key."""
        answer = await self._call("GET", bucket, query={"uploads": "", "prefix": key, "encoding-type": "url"})
        found = _parsed(answer, "Upload")["ListMultipartUploadsResult"].get("Upload", [])
        # Uploads come in the order of their keys, so those to the very key come first; and then by their age.
        same = [upload["UploadId"] for upload in found if upload["Key"] == quote(key, safe="/-_.~")]
        return str(same[-1]) if same else None

    async def put_part(self, bucket: str, key: str, upload_id: str, number: int, body: Body) -> Part:
        """UploadPart."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        headers = {"x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(body.sha256)).decode()}
        etag: list[str] = []
        await self._call("PUT", bucket, key, query=query, body=body, headers=headers, etag=etag)
        return Part(number, body.size, etag[-1], body.sha256)

    async def parts(self, bucket: str, key: str, upload_id: str) -> AsyncIterator[Part]:
        """ListParts: every part that has come, and whose SHA-256 is known."""
        after = "0"
        while True:
            query = {"uploadId": upload_id, "part-number-marker": after}
            page = _parsed(await self._call("GET", bucket, key, query=query), "Part")["ListPartsResult"]
            for part in page.get("Part", []):
                if checksum := part.get("ChecksumSHA256"):
                    sha256 = base64.b64decode(checksum).hex()
                    yield Part(int(part["PartNumber"]), int(part["Size"]), part["ETag"], sha256)
            if page["IsTruncated"] != "true":
                return
            after = page["NextPartNumberMarker"]

    async def complete_upload(self, bucket: str, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """CompleteMultipartUpload."""
        listed = [
            {
                "PartNumber": part.number,
                "ETag": part.etag,
                "ChecksumSHA256": base64.b64encode(bytes.fromhex(part.sha256)).decode(),
            }
            for part in parts
        ]
        document = xmltodict.unparse({"CompleteMultipartUpload": {"Part": listed}}).encode()
        answer = _parsed(await self._call("POST", bucket, key, query={"uploadId": upload_id}, body=document))
        # The status is sent before the outcome is known.
        if refused := answer.get("Error"):
            raise S3Error(200, refused["Code"], refused["Message"], f"s3://{bucket}/{key}")

    async def _call(
        self,
        method: str,
        bucket: str,
        key: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Body | bytes = b"",
        headers: Mapping[str, str] | None = None,
        etag: list[str] | None = None,
    ) -> bytes:
        for delay in (*self._delays, None):
            try:
                async with self._exchange(
                    method, bucket, key, query=query or {}, body=body, headers=headers or {}
                ) as answer:
                    content = await answer.read()
                    if etag is not None:
                        etag.append(answer.headers["ETag"])
                    return content
            except S3Error as error:
                if delay is None or error.status not in _LATER:
                    raise
            except UnreachableError:
                if delay is None:
                    raise
            await asyncio.sleep(delay)
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        bucket: str,
        key: str,
        *,
        query: Mapping[str, str],
        body: Body | bytes,
        headers: Mapping[str, str],
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("the connection is not open: use `async with`")
        target = "/" + quote(f"{bucket}/{key}", safe="/-_.~")
        if query:
            target += "?" + encoded_query(query.items())
        if isinstance(body, bytes):
            size, digest, sending = len(body), hashlib.sha256(body).hexdigest(), None
        else:
            size, digest, sending = body.size, body.sha256, _Sending(body)
        async with self._turns:
            sent = {"host": self._host, **headers}
            signed = sign(method, target, sent, digest, self._keys, region=self._region, now=datetime.now(UTC))
            if size or method in ("PUT", "POST"):
                signed["content-length"] = str(size)
            try:
                async with self._session.request(
                    method,
                    URL(self._address + target, encoded=True),
                    headers=signed,
                    data=(sending or body) if size else None,
                    skip_auto_headers=("Content-Type",),
                    allow_redirects=False,
                ) as answer:
                    if answer.status >= 300:
                        raise _refusal(answer.status, await answer.read(), f"s3://{bucket}/{key}")
                    yield answer
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                if sending and sending.failure:
                    raise sending.failure from None
                reason = str(error) or type(error).__name__
                raise UnreachableError(f"No S3 endpoint answers at {self._address}: {reason}.") from error


class _Sending:
    """A body on its way. Remembers why it broke off, which is otherwise lost in a broken connection."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.failure: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._body:
                yield piece
        except Exception as error:
            self.failure = error
            raise


def _typed(content_type: str | None) -> dict[str, str]:
    return {} if content_type is None else {"content-type": content_type}


def _parsed(document: bytes, lists: str = "") -> dict[str, Any]:
    content: dict[str, Any] = xmltodict.parse(document, force_list=(lists,), xml_attribs=False)
    return content


def _refusal(status: int, document: bytes, resource: str) -> S3Error:
    """What the error document says; what can be told where there is none, from a proxy in between."""
    try:
        error = _parsed(document)["Error"]
        return S3Error(status, error["Code"], error["Message"], resource)
    except (xmltodict.expat.ExpatError, KeyError, TypeError, ValueError):
        return S3Error(status, str(status), "this is not how an S3 endpoint answers", resource)
