"""How commands print: a table for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 10_000


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; outside a terminal no cell is ever wrapped or cut."""
    table = Table(*columns, box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print the fields of one thing, a line each; those without a value are left out."""
    table = Table.grid(padding=(0, 2))
    for name, value in fields:
        if value:
            table.add_row(Text(name, style="bold"), Text(value, overflow="fold"))
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)


def number_of(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def size_of(count: int) -> str:
    """Bytes as people read them."""
    size, units = float(count), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while size >= 1024 and unit != "TiB":
        size, unit = size / 1024, next(units)
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def term_of(expires_at: str | None) -> str:
    """How long something is kept."""
    return f"until {expires_at}" if expires_at else "for ever"


def timestamp(microseconds: int | None) -> str | None:
    """As RFC 3339 in UTC, to the second."""
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
