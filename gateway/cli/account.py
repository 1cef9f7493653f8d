"""`artifact-store account`: who may own repositories. Works on the database, also while the server runs."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from gateway.cli.connection import connected
from gateway.cli.options import DATABASE, json_option, settings_options
from gateway.cli.output import print_json, print_table, timestamp
from gateway.settings import Settings
from registry.model import Account


@click.group("account")
def command() -> None:
    """Create and list accounts."""


@command.command()
@click.argument("name")
@click.option("--administrator", is_flag=True, help="May see and do everything.")
@settings_options(*DATABASE)
@json_option
def create(settings: Settings, name: str, *, administrator: bool, as_json: bool) -> None:
    """Create the account NAME. Give it a key with `artifact-store key create NAME`."""

    async def run() -> Account:
        async with connected(settings) as registry:
            return await registry.accounts.create(name, administrator=administrator)

    account = asyncio.run(run())
    if as_json:
        print_json(_described(account))
    else:
        click.echo(f"Account {account.name} is there. Give it a key: artifact-store key create {account.name}")


@command.command("list")
@settings_options(*DATABASE)
@json_option
def list_(settings: Settings, *, as_json: bool) -> None:
    """List the accounts."""

    async def run() -> list[dict[str, Any]]:
        async with connected(settings) as registry:
            return [_described(account) for account in await registry.accounts.list()]

    accounts = asyncio.run(run())
    if as_json:
        print_json(accounts)
    else:
        print_table(
            ("name", "role", "created", "disabled"),
            (
                (
                    account["name"],
                    "administrator" if account["administrator"] else "",
                    account["created_at"],
                    account["disabled_at"] or "",
                )
                for account in accounts
            ),
        )


def _described(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "administrator": account.administrator,
        "created_at": timestamp(account.created_at),
        "disabled_at": timestamp(account.disabled_at),
    }
