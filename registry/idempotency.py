"""Requests that may come twice: the first one's answer is kept for the second.

See draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from registry.clock import SECOND, Clock
from registry.db import schema
from registry.db.database import Database
from registry.errors import ConflictError, InvalidRequestError
from registry.model import Actor, KeptAnswer

KEPT = 24 * 3600 * SECOND
"""How long an answer is given again."""

CLAIM = 15 * 60 * SECOND
"""How long a request may take to be answered: a gateway that died with it must not hold the key for ever."""


class Idempotency:
    """Keys that clients choose, each account its own."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, actor: Actor, key: str, fingerprint: str) -> KeptAnswer | None:
        """Claim a key for a request (None), or learn what was answered to it.

        Raises InvalidRequestError where the key was used for another request, ConflictError while the first
        one is still being answered.
        """
        table, now = schema.idempotency_keys, self._clock()
        mine = (table.c.account_id == actor.account_id) & (table.c.key == key)
        claimed = {"fingerprint": fingerprint, "claimed_at": now, "status": None, "headers": None, "body": None}
        async with self._database.transaction() as connection:
            family = sqlite if connection.dialect.name == "sqlite" else postgresql
            claim = family.insert(table).values(account_id=actor.account_id, key=key, **claimed)
            stale = (table.c.claimed_at <= now - KEPT) | (
                table.c.status.is_(None) & (table.c.claimed_at <= now - CLAIM)
            )
            taken = await connection.execute(
                claim.on_conflict_do_update(index_elements=["account_id", "key"], set_=claimed, where=stale)
            )
            if taken.rowcount:
                return None
            row = (await connection.execute(select(table).where(mine))).mappings().one()
        if row["fingerprint"] != fingerprint:
            raise InvalidRequestError(f"The Idempotency-Key {key!r} was used for another request: choose a new one.")
        if row["status"] is None:
            raise ConflictError("The first request with this Idempotency-Key is still being answered: try again later.")
        return KeptAnswer(row["status"], row["headers"], row["body"])

    async def finish(self, actor: Actor, key: str, answer: KeptAnswer | None) -> None:
        """Keep the answer; None frees the key, for a request that failed and may be tried again."""
        table = schema.idempotency_keys
        claimed = (table.c.account_id == actor.account_id) & (table.c.key == key) & table.c.status.is_(None)
        async with self._database.transaction() as connection:
            if answer is None:
                await connection.execute(delete(table).where(claimed))
                return
            kept = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
            await connection.execute(update(table).where(claimed).values(kept))
