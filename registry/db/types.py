"""Column types that mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB

KeyText = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared byte by byte (SQLite does so by default), as S3 orders keys."""

Document = JSON().with_variant(JSONB(), "postgresql")
"""A JSON document."""

Time = BigInteger
"""Microseconds since 1970 in UTC."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database hands out; SQLite only counts in a column declared INTEGER."""
