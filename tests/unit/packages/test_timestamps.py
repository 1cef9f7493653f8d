from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.timestamps import format_timestamp, parse_timestamp

YEAR_9999 = 253_402_300_799_999_999


@given(st.integers(-62_135_596_800_000_000, YEAR_9999))
def test_every_moment_survives_the_round_trip(moment: int) -> None:
    assert parse_timestamp(format_timestamp(moment)) == moment


@given(st.integers(0, YEAR_9999), st.integers(0, YEAR_9999))
def test_text_order_is_time_order(one: int, other: int) -> None:
    assert (format_timestamp(one) < format_timestamp(other)) == (one < other)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01t00:00:00.1234567z", 123_456),
        ("1970-01-01 01:00:00+01:00", 0),
        ("2026-11-21T00:00:00.000001-05:30", 1_795_239_000_000_001),
    ],
)
def test_rfc3339_is_read(text: str, moment: int) -> None:
    assert parse_timestamp(text) == moment


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-11-21", "2026-11-21T00:00:00", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "1e9"]
)
def test_anything_else_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(ValueError, match=repr(text)):
        parse_timestamp(text)
