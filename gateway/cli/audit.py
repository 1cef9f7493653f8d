"""`artifact-store audit`: who did what, and what came of it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from gateway.cli.endpoint import Endpoint, endpoint_options
from gateway.cli.history import print_entries
from gateway.cli.options import json_option
from gateway.cli.output import print_json
from gateway.cli.package_names import METAVAR, known


@click.command("audit")
@click.option("--package", metavar=METAVAR, help="Only of this package.")
@click.option("--repository", metavar="NAME", help="Only in this repository.")
@click.option("--resource", metavar="TEXT", help="Only this key or name.")
@click.option("--version-id", metavar="ID", help="Only this version of a file.")
@click.option("--actor", metavar="NAME", help="Only what this account did.")
@click.option("--access-key", metavar="AK", help="Only what was done with this access key.")
@click.option("--source-address", metavar="ADDRESS", help="Only from this address.")
@click.option("--request-id", metavar="ID", help="Only this request.")
@click.option("--action", metavar="ACTION", help="Only this, as in package.finalize.")
@click.option("--outcome", metavar="OUTCOME", help="Only what ended so, as in denied.")
@click.option("--since", metavar="TIME", help="From this moment on, as in 2033-01-31T00:00:00Z.")
@click.option("--until", metavar="TIME", help="Before this moment.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many.")
@click.option("--ndjson", is_flag=True, help="Stream all of it, a line of JSON per entry; --limit does not apply.")
@endpoint_options
@json_option
def command(
    endpoint: Endpoint, package: str | None, limit: int | None, *, ndjson: bool, as_json: bool, **criteria: Any
) -> None:
    """Read the audit, the newest entry first. Every option given must hold."""
    query = {name: value for name, value in criteria.items() if value}

    async def export() -> None:
        async with endpoint.api() as api:
            if package is not None:
                query["package_id"] = (await known(api, package))["id"]
            async for piece in api.stream("/audit/export", query):
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    async def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with endpoint.api() as api:
            if package is not None:
                query["package_id"] = (await known(api, package))["id"]
            async for entry in api.items("/audit", {**query, "limit": min(limit or 1000, 1000)}):
                found.append(entry)
                if len(found) == limit:
                    break
        return found

    if ndjson:
        asyncio.run(export())
        return
    entries = asyncio.run(read())
    if as_json:
        print_json(entries)
    else:
        print_entries(entries)
