"""`artifact-store hold`: named reasons why a package or a file must stay."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import click

from gateway.cli.api import Api, path_of
from gateway.cli.endpoint import Endpoint, endpoint_options
from gateway.cli.failure import Failure
from gateway.cli.options import json_option
from gateway.cli.output import print_json, print_table
from gateway.cli.package_names import METAVAR, known


@click.group("hold")
def command() -> None:
    """Place, release and list holds. What is held stays, whatever its retention says."""


@command.command()
@click.argument("package", metavar=METAVAR)
@click.option("--name", required=True, metavar="NAME", help="Of the hold; letters, digits, dots, dashes, underscores.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@click.option("--case", "case_ref", metavar="TEXT", help="The case, ticket or matter it belongs to.")
@click.option("--file", "path", metavar="PATH", help="Hold this one file of the package only.")
@endpoint_options
@json_option
def place(
    endpoint: Endpoint,
    package: str,
    *,
    name: str,
    reason: str,
    case_ref: str | None,
    path: str | None,
    as_json: bool,
) -> None:
    """Place a hold on PACKAGE, or on one file of it. Several may hold at once."""

    async def run() -> dict[str, Any]:
        async with endpoint.api() as api:
            found = await known(api, package)
            held = {"package_id": found["id"]} if path is None else {"version_id": await _version(api, found, path)}
            wanted = {**held, "name": name, "reason": reason, "case_ref": case_ref}
            placed: dict[str, Any] = await api.call("POST", "/holds", document=wanted)
        return placed

    _print([asyncio.run(run())], as_json=as_json, one=True)


@command.command()
@click.argument("hold_id", metavar="HOLD_ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@endpoint_options
@json_option
def release(endpoint: Endpoint, hold_id: str, reason: str, *, as_json: bool) -> None:
    """Release a hold. It stays in the history."""

    async def run() -> dict[str, Any]:
        async with endpoint.api() as api:
            released: dict[str, Any] = await api.call(
                "POST", path_of("holds", hold_id, "release"), document={"reason": reason}
            )
        return released

    _print([asyncio.run(run())], as_json=as_json, one=True)


@command.command("list")
@click.argument("package", metavar=f"[{METAVAR}]", required=False)
@click.option("--repository", metavar="NAME", help="Only in this repository.")
@click.option("--name", metavar="NAME", help="Only of this name.")
@click.option("--case", "case_ref", metavar="TEXT", help="Only of this case.")
@click.option("--active/--released", default=None, help="Only those in force, or only those that are not any more.")
@endpoint_options
@json_option
def list_(
    endpoint: Endpoint,
    package: str | None,
    *,
    active: bool | None,
    as_json: bool,
    **criteria: str | None,
) -> None:
    """List holds, the oldest first, on one package or everywhere."""

    async def run() -> list[dict[str, Any]]:
        query: dict[str, str | int] = {name: value for name, value in criteria.items() if value}
        if active is not None:
            query["active"] = str(active).lower()
        async with endpoint.api() as api:
            if package is not None:
                query["package_id"] = (await known(api, package))["id"]
            return [hold async for hold in api.items("/holds", {**query, "limit": 1000})]

    _print(asyncio.run(run()), as_json=as_json)


async def _version(api: Api, package: Mapping[str, Any], path: str) -> str:
    """The id of the newest version of a file."""
    async for file in api.items(path_of("packages", package["id"], "files"), {"limit": 1000}):
        if file["path"] == path:
            return str(file["version_id"])
    raise Failure(f"Package {package['repository']}/{package['name']} has no file {path}.")


def _print(holds: Sequence[Mapping[str, Any]], *, as_json: bool, one: bool = False) -> None:
    if as_json:
        print_json(holds[0] if one else holds)
        return
    print_table(
        ("id", "name", "on", "case", "reason", "placed", "by", "released", "by", "because"),
        (
            (
                hold["id"],
                hold["name"],
                hold["package_id"] or f"version {hold['version_id']}",
                hold["case_ref"] or "",
                hold["reason"],
                hold["placed_at"],
                hold["placed_by"],
                hold["released_at"] or "",
                hold["released_by"] or "",
                hold["release_reason"] or "",
            )
            for hold in holds
        ),
    )
