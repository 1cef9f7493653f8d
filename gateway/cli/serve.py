"""`artifact-store serve`: the server."""

from __future__ import annotations

import asyncio
import functools
import sys

import click

from gateway.app import tls_of
from gateway.cli.options import ALL, settings_options
from gateway.cli.welcome import welcome
from gateway.http import metrics
from gateway.http.logging import form_of, log_directly
from gateway.installation import install
from gateway.process.listeners import Listeners
from gateway.process.supervisor import Supervisor
from gateway.process.worker import work
from gateway.settings import Settings


@click.command("serve")
@settings_options(*ALL)
def command(settings: Settings) -> None:
    """Serve S3 and the registry until SIGTERM or SIGINT.

    The first start creates everything and prints the first administrator's keys. A stop lets requests in flight
    finish; a second signal ends them at once.
    """
    log_directly(form_of(settings.log_format, sys.stderr), settings.log_level, sys.stderr)
    tls_of(settings)
    listeners = Listeners.bind(settings)
    installation = asyncio.run(install(settings))
    click.echo(welcome(settings, installation, listeners))
    with metrics.shared_directory():
        supervisor = Supervisor(
            listeners, functools.partial(work, settings), grace_time=settings.grace_time, buried=metrics.forget
        )
        sys.exit(supervisor.run())
