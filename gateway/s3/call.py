"""One call of an operation: everything it needs to know, typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.auth.payload import PayloadPlan
from gateway.http.body import Body, Stream
from gateway.http.sending import Response, Sender
from gateway.s3 import xml
from gateway.s3.address import Address
from gateway.s3.errors import S3Error
from registry.model import Actor, Repository
from registry.registry import Registry

XML = ("Content-Type", "application/xml")


@dataclass(slots=True)
class Call:
    """A signed request whose operation is found. Headers are by lower-case name."""

    registry: Registry
    sender: Sender
    region: str
    stall_timeout: float
    actor: Actor
    request_id: str
    method: str
    address: Address
    host: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    payload: PayloadPlan
    stream: Stream
    streams_answers: bool
    """Can the client take an answer of unknown length (HTTP/1.1)?"""

    @property
    def bucket(self) -> str:
        return self.address.bucket

    @property
    def key(self) -> str:
        return self.address.key

    @property
    def bypasses_governance(self) -> bool:
        """Does the caller ask to bypass locks in GOVERNANCE mode? Whether they may is the registry's to say."""
        return self.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"

    async def repository(self) -> Repository:
        """The bucket. Raises where there is none, or the actor may not know of it."""
        return await self.registry.repositories.get(self.actor, self.bucket)

    async def settled_repository(self) -> Repository:
        """The bucket with its settings as they are now, whichever process changed them a moment ago."""
        return await self.registry.repositories.refreshed((await self.repository()).name)

    async def check_owner(self, header: str, bucket: str) -> None:
        """Raise unless the bucket's owner is the one that a header expects."""
        expected = self.headers.get(header)
        if expected is not None:
            repository = await self.registry.repositories.get(self.actor, bucket)
            if repository.owner_id != expected:
                raise S3Error("AccessDenied", f"Access Denied: the bucket's owner is not the one in {header}.")

    def body(self, *, length_required: bool = True, checksum_of_body: bool = True) -> Body:
        """The request's body. Raises for lengths, digests and framing that are announced wrongly."""
        return Body(
            self.stream,
            self.headers,
            self.payload,
            length_required=length_required,
            checksum_of_body=checksum_of_body,
            stall_timeout=self.stall_timeout,
        )

    async def document(
        self, root: str, lists: Iterable[str] = (), *, required: bool = True, checksum_of_body: bool = True
    ) -> Mapping[str, Any]:
        """The XML document in the body, verified; empty where there is none and none is required."""
        body = self.body(length_required=False, checksum_of_body=checksum_of_body)
        content = await body.read(xml.LIMIT)
        if content:
            return xml.parse(content, root, lists)
        if required:
            raise S3Error("MissingRequestBodyError")
        return {}


def xml_response(content: bytes, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """An answer with a document."""
    return Response(200, [XML, *headers], content)
