"""Column types that mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import re

from sqlalchemy import JSON, BigInteger, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB

KeyText = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared byte by byte (SQLite does so by default), as S3 orders keys."""

_UNHELD = re.compile("[\x00\ud800-\udfff]")


def first_unheld(text: str) -> int | None:
    """Where the first character stands that no text column can hold: U+0000, or half a surrogate pair."""
    found = _UNHELD.search(text)
    return None if found is None else found.start()


def is_held(text: str) -> bool:
    """Whether text columns can hold it; what they cannot hold need not be looked for."""
    return first_unheld(text) is None


Document = JSON().with_variant(JSONB(), "postgresql")
"""A JSON document."""

Time = BigInteger
"""Microseconds since 1970 in UTC."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database hands out; SQLite only counts in a column declared INTEGER."""
