"""Profiles: what the directories of known producers say of themselves, read before a byte is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.cli.profiles import guide_board
from gateway.cli.profiles.profile import Description

PROFILES: Mapping[str, Callable[[Path], Description]] = {"guide-board": guide_board.read}
"""Each reads a directory, or raises FaultyDirectoryError."""
