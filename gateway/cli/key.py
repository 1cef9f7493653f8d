"""`artifact-store key`: the key pairs that accounts sign with. Works on the database, also while the server runs."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from gateway.cli.connection import connected
from gateway.cli.options import DATABASE, json_option, settings_options
from gateway.cli.output import print_json, print_table, timestamp
from gateway.settings import Settings
from registry.model import AccessKey


@click.group("key")
def command() -> None:
    """Create, list and revoke access keys."""


@command.command()
@click.argument("account")
@click.option("--access-key", metavar="AK", help="Use this access key instead of a generated one.")
@click.option("--secret-key", metavar="SK", help="Use this secret key instead of a generated one.")
@click.option("--description", default="", help="What the key is for; shown in the list.")
@settings_options(*DATABASE)
@json_option
def create(
    settings: Settings,
    account: str,
    access_key: str | None,
    secret_key: str | None,
    description: str,
    *,
    as_json: bool,
) -> None:
    """Create a key for ACCOUNT and print it with its secret, which is shown only now."""
    if (access_key is None) != (secret_key is None):
        raise click.UsageError("Give --access-key and --secret-key together, or neither.")

    async def run() -> tuple[AccessKey, str]:
        async with connected(settings) as registry:
            return await registry.accounts.create_key(
                account, access_key=access_key, secret_key=secret_key, description=description
            )

    key, secret = asyncio.run(run())
    if as_json:
        print_json({**_described(key), "secret_key": secret})
    else:
        click.echo(f"export AWS_ACCESS_KEY_ID={key.access_key}")
        click.echo(f"export AWS_SECRET_ACCESS_KEY={secret}")
        click.echo("The secret is not shown again.", err=True)


@command.command("list")
@click.argument("account", required=False)
@settings_options(*DATABASE)
@json_option
def list_(settings: Settings, account: str | None, *, as_json: bool) -> None:
    """List the keys of ACCOUNT, or of all accounts; never their secrets."""

    async def run() -> list[dict[str, Any]]:
        async with connected(settings) as registry:
            return [_described(key) for key in await registry.accounts.list_keys(account)]

    keys = asyncio.run(run())
    if as_json:
        print_json(keys)
    else:
        columns = ("access_key", "account", "created_at", "expires_at", "revoked_at", "last_used_at", "description")
        print_table(
            [column.removesuffix("_at").replace("_", " ") for column in columns],
            ([key[column] or "" for column in columns] for key in keys),
        )


@command.command()
@click.argument("access_key")
@settings_options(*DATABASE)
def revoke(settings: Settings, access_key: str) -> None:
    """Revoke ACCESS_KEY; running servers refuse it within two seconds."""

    async def run() -> None:
        async with connected(settings) as registry:
            await registry.accounts.revoke_key(access_key)

    asyncio.run(run())
    click.echo(f"Access key {access_key} is revoked.")


def _described(key: AccessKey) -> dict[str, Any]:
    return {
        "access_key": key.access_key,
        "account": key.account_name,
        "description": key.description,
        "created_at": timestamp(key.created_at),
        "expires_at": timestamp(key.expires_at),
        "revoked_at": timestamp(key.revoked_at),
        "last_used_at": timestamp(key.last_used_at),
    }
