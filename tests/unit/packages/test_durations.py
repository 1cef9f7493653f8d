from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.durations import DAY, LONGEST, YEAR, format_duration, parse_duration

CLASSES = Path(__file__).parents[3] / "config" / "retention-classes.toml"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("P30D", 30 * DAY),
        ("30d", 30 * DAY),
        ("7 d", 7 * DAY),
        ("P7Y", 7 * 366 * DAY),
        ("7y", 7 * 366 * DAY),
        ("P2W", 14 * DAY),
        ("P1Y2M3W4DT5H6M7S", (366 + 62 + 21 + 4) * DAY + 5 * 3600 + 6 * 60 + 7),
        ("PT90S", 90),
        ("PT5M", 300),
        ("P5M", 5 * 31 * DAY),
        ("5m", 300),
        ("12h", 12 * 3600),
    ],
)
def test_forms(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "it is empty"),
        (" P1D", "white space"),
        ("P", "is not a duration"),
        ("PT", "is not a duration"),
        ("P1DT", "is not a duration"),
        ("-P1D", "negative"),
        ("P-1D", "negative"),
        ("30", "no unit"),
        ("1.5h", "fractions"),
        ("P1,5D", "fractions"),
        ("3M", "months are P3M, minutes 3m"),
        ("30D", "is not a duration"),
        ("P1D2Y", "is not a duration"),
        ("P0D", "no time at all"),
        ("0s", "no time at all"),
        ("1001y", "longer than 1,000 years"),
        ("٣d", "is not a duration"),
        ("9" * 70 + "d", "71 characters"),
        ("P1D\n", "white space"),
    ],
)
def test_refusals_tell_the_cause(text: str, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        parse_duration(text)


@given(st.integers(1, LONGEST))
def test_what_is_formatted_is_read_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


def test_formatting_uses_units_of_fixed_length() -> None:
    assert [format_duration(seconds) for seconds in (0, 90, DAY, YEAR, DAY + 6 * 3600)] == [
        "PT0S",
        "PT1M30S",
        "P1D",
        "P366D",
        "P1DT6H",
    ]


@given(st.dates(date(1970, 1, 1), date(2900, 1, 1)), st.integers(1, 99))
def test_years_never_fall_short_of_the_calendar(start: date, years: int) -> None:
    day = 28 if (start.month, start.day) == (2, 29) else start.day
    calendar = start.replace(year=start.year + years, day=day) - start
    assert parse_duration(f"P{years}Y") >= calendar.total_seconds()


def test_the_seeded_classes_have_the_promised_terms() -> None:
    classes = tomllib.loads(CLASSES.read_text())["class"]
    terms = {entry["name"]: None if entry["term"] == "never" else parse_duration(entry["term"]) for entry in classes}
    assert terms == {
        "transient": 7 * DAY,
        "raw-evidence": 30 * DAY,
        "summary-evidence": 365 * DAY,
        "release-evidence": 7 * YEAR,
        "permanent-record": None,
    }
    assert all(entry["description"] for entry in classes)
    finite = [term for term in terms.values() if term]
    assert finite == sorted(finite), "the order of the file is the order of strength"
