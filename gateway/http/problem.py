"""Refusals outside S3: problem details in JSON (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

LOG = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"


def problem(status: int, detail: str, **members: Any) -> web.Response:
    """An answer of that status; `detail` is a sentence for the person who asked, `members` extend the object."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return web.Response(status=status, body=json.dumps(body).encode() + b"\n", content_type=CONTENT_TYPE)


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn what a handler refuses, and what it did not foresee, into problem details."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        if refusal.status < 400:
            raise
        detail = f"{request.method} {request.path}: {refusal.reason.lower()}."
        answer = problem(refusal.status, detail)
        answer.headers.extend((name, value) for name, value in refusal.headers.items() if name in ("Allow", "Location"))
        return answer
    except Exception:
        LOG.exception("a request to the registry's port failed", extra={"path": request.path})
        return problem(500, "The server failed to answer; its log says why.")
