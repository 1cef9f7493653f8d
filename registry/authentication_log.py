"""Refused authentications, as audit entries: each one told, a flood of them counted, and no request kept waiting."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from registry import audit
from registry.changes import Needs, State
from registry.clock import Clock
from registry.db import schema
from registry.db.database import Database, Lock

LOG = logging.getLogger(__name__)

ACTION = "auth.fail"

WINDOW = 0.5
"""Seconds between two writes; what is refused meanwhile is written together."""
EACH = 10
"""Entries of one source address in a window, in one process; further ones are counted."""
ALL = 100
"""Entries of all addresses in a window, in one process; further ones are counted."""
ADDRESSES = 100
"""Addresses that are counted apart from one another in a window."""

_LONGEST = 1024
_BEGINNING = 4


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request whose sender could not prove who they are."""

    code: str
    """Why, in the words of the face."""
    face: str
    request: str
    """Method and path, without the query: that may hold a signature."""
    access_key: str | None = None
    """As it was claimed."""
    source_address: str | None = None
    request_id: str | None = None


class AuthenticationLog:
    """Writes an audit entry for every refused authentication, within a second.

    An authentication that is refused changes nothing, so nothing needs to wait for its entry. Neither can a flood
    fill the audit: beyond `EACH` and `ALL` in a window, refusals become one entry per address that says how many.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._entries: list[tuple[int, Refusal]] = []
        self._told: Counter[str | None] = Counter()
        self._untold: Counter[str | None] = Counter()
        self._closing = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def add(self, refusal: Refusal) -> None:
        """Have a refusal written soon. Neither waits nor fails."""
        address = refusal.source_address
        if self._told[address] < EACH and len(self._entries) < ALL:
            self._told[address] += 1
            self._entries.append((self._clock(), refusal))
        else:
            self._untold[address if address in self._untold or len(self._untold) < ADDRESSES else None] += 1
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Write what is left."""
        self._closing.set()
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        while self._entries or self._untold:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), WINDOW)
            entries, untold = self._entries, self._untold
            self._entries, self._untold, self._told = [], Counter(), Counter()
            try:
                known = await self._known(filter(None, (refusal.access_key for _, refusal in entries)))
                rows = [_row(at, refusal, known) for at, refusal in entries]
                await self._database.submit(_Record([*rows, *_counted(self._clock(), untold)]))
            except Exception:
                LOG.exception("%d refused authentications could not be audited", len(entries) + untold.total())
        self._writing = None

    async def _known(self, claimed: Iterable[str]) -> frozenset[str]:
        """Those that are, or were, keys of an account."""
        access_keys = {name for name in claimed if name.isascii() and name.isprintable()}
        if not access_keys:
            return frozenset()
        column = schema.access_keys.c.access_key
        async with self._database.read() as connection:
            found = await connection.execute(select(column).where(column.in_(sorted(access_keys))))
            return frozenset(found.scalars())


@dataclass(frozen=True, slots=True)
class _Record:
    """Adds entries to the audit."""

    rows: Sequence[dict[str, Any]]

    def locks(self) -> Sequence[Lock]:
        return ()

    def needs(self, needs: Needs) -> None:
        """Nothing."""

    def decide(self, state: State) -> None:
        state.audit.extend(self.rows)


def _row(at: int, refusal: Refusal, known: frozenset[str]) -> dict[str, Any]:
    detail = {"code": refusal.code, "face": refusal.face}
    access_key = refusal.access_key if refusal.access_key in known else None
    if refusal.access_key is not None and access_key is None:
        # What is no key of ours may be a secret that was typed in its place.
        detail["unknown_access_key"] = f"{_printable(refusal.access_key[:_BEGINNING])}…"
    return audit.entry(at, None, ACTION, outcome=audit.DENIED, resource=_printable(refusal.request), detail=detail) | {
        "access_key": access_key,
        "source_address": refusal.source_address,
        "request_id": refusal.request_id,
    }


def _counted(at: int, untold: Counter[str | None]) -> Iterator[dict[str, Any]]:
    for address, number in untold.items():
        detail = {"code": "TooMany", "refusals": number}
        yield audit.entry(at, None, ACTION, outcome=audit.DENIED, detail=detail) | {"source_address": address}


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in text[:_LONGEST])
