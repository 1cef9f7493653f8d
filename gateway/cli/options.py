"""Settings as options of a command."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.settings import SETTINGS, Settings

ALL = tuple(setting.name for setting in SETTINGS if not setting.secret)
"""Secrets have no flag: every user of a machine can read its command lines."""

DATABASE = ("data_dir", "database_url", "store_url")


def settings_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `--config` and a flag for each named setting; it is called with the loaded `settings`."""
    chosen = [setting for setting in SETTINGS if setting.name in names]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_settings(*, config: Path | None, **options: Any) -> None:
            flags = {setting.name: options.pop(setting.name) for setting in chosen}
            command(settings=Settings.load(file=config, flags=flags), **options)

        decorated: Callable[..., None] = with_settings
        for setting in reversed(chosen):
            text = f"{setting.meaning[0].upper()}{setting.meaning[1:]}.  [default: {setting.default_text}]"
            metavar = "TEXT" if setting.default_text == "none" else setting.name.rpartition("_")[2].upper()
            decorated = click.option(setting.flag, setting.name, metavar=metavar, help=text)(decorated)
        return click.option(
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Settings in TOML.  [default: config/artifact-store.toml, where it exists]",
        )(decorated)

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
