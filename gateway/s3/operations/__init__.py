"""The operations of S3 that this server does: each decodes a call, calls the registry, encodes the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from gateway.http.sending import Response
from gateway.s3.call import Call

Operation: TypeAlias = Callable[[Call], Awaitable[Response]]
