"""`artifact-store config`: what the server would run with, and why."""

from __future__ import annotations

import click

from gateway.cli.options import ALL, json_option, settings_options
from gateway.cli.output import print_json, print_table
from gateway.settings import SETTINGS, Settings


@click.command("config")
@settings_options(*ALL)
@json_option
def command(settings: Settings, *, as_json: bool) -> None:
    """Show the effective settings and where each came from; secrets are masked.

    The environment is weaker than the file, the file weaker than a flag.
    """
    if as_json:
        print_json(
            {
                setting.name: {
                    "value": settings.shown(setting),
                    "origin": settings.origins[setting.name],
                    "variable": setting.variable,
                }
                for setting in SETTINGS
            }
        )
        return
    print_table(
        ("setting", "value", "origin"),
        ((setting.name, settings.shown(setting), settings.origins[setting.name]) for setting in SETTINGS),
    )
