"""Terms of retention: ISO 8601 durations (`P30D`, `P7Y`, `PT12H`) and their short form (`30d`, `7y`, `12h`)."""

from __future__ import annotations

import re

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
MONTH = 31 * DAY
"""The longest month: a term is never shorter than the calendar's."""
YEAR = 366 * DAY
"""The longest year, for the same reason."""

LONGEST = 1000 * YEAR

_ISO = re.compile(
    r"P(?=.)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.ASCII,
)
_SHORT = re.compile(r"(\d+) ?([smhdwy])", re.ASCII)
_ISO_SECONDS = {
    "years": YEAR,
    "months": MONTH,
    "weeks": WEEK,
    "days": DAY,
    "hours": HOUR,
    "minutes": MINUTE,
    "seconds": 1,
}
_SHORT_SECONDS = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK, "y": YEAR}
_FORMS = "Write it like P30D, P7Y or PT12H (ISO 8601), or in short 30d, 2w, 7y, 12h, 90m."


def parse_duration(text: str) -> int:
    """Seconds of a duration; a month counts 31 days and a year 366, so that no term falls short of the calendar's.

    Raises ValueError, with a sentence fit for whoever wrote the text, for everything but a whole, positive
    duration of at most 1,000 years.
    """
    if len(text) > 64:
        raise ValueError(f"A duration of {len(text)} characters is not read. {_FORMS}")
    if iso := _ISO.fullmatch(text):
        seconds = sum(int(count) * _ISO_SECONDS[unit] for unit, count in iso.groupdict().items() if count)
    elif short := _SHORT.fullmatch(text):
        seconds = int(short[1]) * _SHORT_SECONDS[short[2]]
    else:
        raise ValueError(f"{text!r} is not a duration{_cause(text)}. {_FORMS}")
    if not seconds:
        raise ValueError(f"{text!r} lasts no time at all. {_FORMS}")
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is longer than 1,000 years; what is kept for ever has a class whose term is never.")
    return seconds


def format_duration(seconds: int) -> str:
    """ISO 8601 of days and smaller units, which mean the same everywhere: `P30D`, `P1DT6H`, `PT1M30S`."""
    days, rest = divmod(seconds, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if count)
    return "P" + (f"{days}D" if days else "") + (f"T{time}" if time else "" if days else "T0S")


def _cause(text: str) -> str:
    """What most likely went wrong, where it can be told."""
    return next((f": {cause}" for pattern, cause in _CAUSES if re.search(pattern, text)), "")


_CAUSES = (
    (r"^\s*$", "it is empty"),
    (r"^\s|\s$", "there is white space around it"),
    (r"-", "it is negative, and retention only ever grows"),
    (r"^\d+$", "it has no unit"),
    (r"\d[.,]\d", "fractions are not read"),
    (r"^\d+ ?M$", "an M alone could be months or minutes; months are P3M, minutes 3m"),
)
