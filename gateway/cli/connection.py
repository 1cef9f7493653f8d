"""The registry as commands use it: on the database itself, beside a server that may be running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.app import registry_of
from gateway.cli.failure import UNAVAILABLE, Failure
from gateway.installation import prove_master_key
from gateway.settings import Settings, masked_url
from registry.db.migrate import revisions
from registry.registry import Registry


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Registry]:
    """The registry over a database that has been set up; a mistyped data directory is not created."""
    if settings.origins["database_url"] == "default" and not settings.data_dir.is_dir():
        raise Failure(
            f"data_dir ({settings.origins['data_dir']}): there is no directory {settings.data_dir}; "
            "name the server's, or create one with `artifact-store migrate`.",
            UNAVAILABLE,
        )
    found, newest = await revisions(settings.database_url)
    if found != newest:
        raise Failure(
            f"The database {masked_url(settings.database_url)} is at revision {found or 'none'}, "
            f"this program needs {newest}; bring it up to date with `artifact-store migrate`.",
            UNAVAILABLE,
        )
    async with registry_of(settings) as registry:
        await prove_master_key(settings, registry.accounts)
        yield registry
