"""The `artifact-store` command. A file per command group; each is imported when it is called."""

from __future__ import annotations

import importlib
from typing import Any

import click

from gateway.cli.failure import reported

_COMMANDS = {
    "push": "Send a directory as a package.",
    "pull": "Fetch a package into a directory.",
    "verify": "Prove a local copy of a package, offline.",
    "package": "List, show, finalize, amend, delete and restore packages.",
    "retention": "Keep packages longer; see what may go, and why not.",
    "hold": "Place, release and list holds.",
    "audit": "Read who did what, and what came of it.",
    "serve": "Serve S3 and the registry until told to stop.",
    "config": "Show the effective settings and where each came from.",
    "account": "Create and list accounts.",
    "key": "Create, list and revoke access keys.",
    "migrate": "Create the database's tables, or bring them up to date.",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"gateway.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        with reported():
            return super().invoke(ctx)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=(
        "Exit codes: 0 done, 1 refused or different, 2 wrong usage or settings, 3 server, database, store or port "
        "unavailable, or the keys are not accepted."
    ),
)
@click.version_option(package_name="artifact-store", message="%(prog)s %(version)s")
def main() -> None:
    """An S3-compatible artifact registry and storage gateway."""
