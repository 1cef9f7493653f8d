"""The caller's account."""

from __future__ import annotations

from gateway.admin import documents
from gateway.admin.call import Answer, Call


async def who_am_i(call: Call) -> Answer:
    return call.document(documents.caller(call.actor))
