"""`artifact-store migrate`: everything the first start does, without serving."""

from __future__ import annotations

import asyncio

import click

from gateway.cli.options import ALL, settings_options
from gateway.installation import install
from gateway.settings import Settings


@click.command("migrate")
@settings_options(*ALL)
def command(settings: Settings) -> None:
    """Create the database's tables, or bring them up to date.

    The server does so when it starts; this is for a release that is rolled out in steps. On an empty database it
    also creates the first administrator, with keys kept in the data directory.
    """
    installation = asyncio.run(install(settings))
    if installation.revision_before == installation.revision:
        click.echo(f"The database is up to date: revision {installation.revision}.")
    else:
        before = installation.revision_before or "none"
        click.echo(f"The database went from revision {before} to {installation.revision}.")
