"""`artifact-store retention`: how long packages are kept. It only ever grows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import click

from gateway.cli.api import path_of
from gateway.cli.endpoint import Endpoint, endpoint_options
from gateway.cli.failure import REFUSED
from gateway.cli.options import json_option
from gateway.cli.output import number_of, print_json, print_table, size_of, term_of
from gateway.cli.package_names import METAVAR, known


@click.group("retention")
def command() -> None:
    """Keep packages longer; see what may go, and why not."""


@command.command()
@click.argument("package", metavar=METAVAR)
@click.option("--until", metavar="TIME", help="Keep until this moment, as in 2033-01-31T00:00:00Z.")
@click.option("--for", "duration", metavar="DURATION", help="Keep so much longer than now promised, as in 90d or P7Y.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@endpoint_options
@json_option
def extend(
    endpoint: Endpoint, package: str, until: str | None, duration: str | None, reason: str, *, as_json: bool
) -> None:
    """Keep PACKAGE longer: until a moment, or for a duration beyond its present end. Never shorter."""
    if (until is None) == (duration is None):
        raise click.UsageError("Give either --until or --for.")
    wanted = {"until": until} if until else {"duration": duration}
    _change(endpoint, package, "extend", {**wanted, "reason": reason}, as_json=as_json)


@command.command()
@click.argument("package", metavar=METAVAR)
@click.argument("retention_class", metavar="CLASS")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@endpoint_options
@json_option
def change(endpoint: Endpoint, package: str, retention_class: str, reason: str, *, as_json: bool) -> None:
    """Give PACKAGE another retention class, if it is not kept shorter by it."""
    wanted = {"retention_class": retention_class, "reason": reason}
    _change(endpoint, package, "change-class", wanted, as_json=as_json)


@command.command()
@endpoint_options
@json_option
def classes(endpoint: Endpoint, *, as_json: bool) -> None:
    """List the retention classes, from the shortest to the longest."""

    async def run() -> list[dict[str, Any]]:
        async with endpoint.api() as api:
            found: list[dict[str, Any]] = (await api.call("GET", "/retention-classes"))["items"]
        return found

    found = asyncio.run(run())
    if as_json:
        print_json(found)
    else:
        _print_classes(found)


@command.command()
@click.argument("retention_class", metavar="CLASS")
@click.argument("duration", metavar="DURATION|never")
@endpoint_options
@json_option
def term(endpoint: Endpoint, retention_class: str, duration: str, *, as_json: bool) -> None:
    """Change how long CLASS keeps, as in 90d or P7Y. What exists already is never shortened."""

    async def run() -> dict[str, Any]:
        async with endpoint.api() as api:
            changed: dict[str, Any] = await api.call(
                "PATCH",
                path_of("retention-classes", retention_class),
                document={"term": None if duration == "never" else duration},
            )
        return changed

    changed = asyncio.run(run())
    if as_json:
        print_json(changed)
    else:
        _print_classes([changed])


@command.command()
@click.argument("package", metavar=f"[{METAVAR}]", required=False)
@click.option("--repository", metavar="NAME", help="Report on this repository only.")
@endpoint_options
@json_option
@click.pass_context
def eligible(
    ctx: click.Context, endpoint: Endpoint, package: str | None, repository: str | None, *, as_json: bool
) -> None:
    """Say whether PACKAGE may be deleted, and if not, every reason why; without PACKAGE, of each there is.

    Exit code 1 if the one package may not be deleted.
    """

    async def run() -> list[dict[str, Any]]:
        async with endpoint.api() as api:
            if package is not None:
                found = await known(api, package)
                return [await api.call("GET", path_of("packages", found["id"], "eligibility"))]
            return [answer async for answer in api.items("/reports/eligibility", _within(repository))]

    answers = asyncio.run(run())
    if as_json:
        print_json(answers[0] if package is not None else answers)
    else:
        print_table(
            ("package", "id", "eligible", "from", "why not"),
            (
                (
                    f"{answer['repository']}/{answer['name']}",
                    answer["package_id"],
                    "yes" if answer["eligible"] else "no",
                    answer["eligible_at"] or "",
                    "; ".join(reason["message"] for reason in answer["reasons"]),
                )
                for answer in answers
            ),
        )
    if package is not None and not answers[0]["eligible"]:
        ctx.exit(REFUSED)


@command.command()
@click.option("--repository", metavar="NAME", help="Of this repository only.")
@endpoint_options
@json_option
def plan(endpoint: Endpoint, repository: str | None, *, as_json: bool) -> None:
    """List what a clean-up would delete now, with its files and bytes. Nothing is deleted."""

    async def run() -> list[dict[str, Any]]:
        async with endpoint.api() as api:
            return [package async for package in api.items("/reports/deletion-plan", _within(repository))]

    packages = asyncio.run(run())
    if as_json:
        print_json(packages)
        return
    print_table(
        ("package", "id", "expired", "files", "size"),
        (
            (
                f"{package['repository']}/{package['name']}",
                package["package_id"],
                package["expires_at"] or "",
                str(package["file_count"]),
                size_of(package["size"]),
            )
            for package in packages
        ),
    )
    total = size_of(sum(package["size"] for package in packages))
    click.echo(f"{number_of(len(packages), 'package')}, {total}. Nothing was deleted.", err=True)


def _change(endpoint: Endpoint, package: str, action: str, document: Mapping[str, Any], *, as_json: bool) -> None:
    async def run() -> dict[str, Any]:
        async with endpoint.api() as api:
            found = await known(api, package)
            changed: dict[str, Any] = await api.call(
                "POST", path_of("packages", found["id"], "retention", action), document=document
            )
        return changed

    changed = asyncio.run(run())
    if as_json:
        print_json(changed)
    else:
        click.echo(
            f"Package {changed['repository']}/{changed['name']} is kept as {changed['retention_class']}, "
            f"{term_of(changed['expires_at'])}."
        )


def _within(repository: str | None) -> dict[str, str | int]:
    return {"limit": 1000, **({"repository": repository} if repository else {})}


def _print_classes(classes: Sequence[Mapping[str, Any]]) -> None:
    print_table(
        ("class", "keeps", "for"), ((one["name"], one["term"] or "for ever", one["description"]) for one in classes)
    )
