"""`artifact-store package`: what packages there are, and their life from finalizing to deletion and back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from gateway.cli.api import path_of
from gateway.cli.endpoint import Endpoint, endpoint_options
from gateway.cli.history import print_entries
from gateway.cli.options import json_option
from gateway.cli.output import number_of, print_fields, print_json, print_table, size_of, term_of
from gateway.cli.package_names import METAVAR, known

STATUSES = ("created", "uploading", "finalized", "deleted", "failed")

package_argument = click.argument("package", metavar=METAVAR)


@click.group("package")
def command() -> None:
    """List, show, finalize, amend, delete and restore packages.

    A PACKAGE is named by its id, as REPOSITORY/NAME, or as s3://REPOSITORY/NAME.
    """


@command.command("list")
@click.option("--repository", metavar="NAME", help="Only in this repository.")
@click.option("--name-prefix", metavar="TEXT", help="Only names that begin so.")
@click.option(
    "--status",
    type=click.Choice(STATUSES),
    multiple=True,
    help="Only of this status; may be repeated. Deleted ones are listed only when asked for.",
)
@click.option("--producer", metavar="TEXT", help="Only those that this tool or job made.")
@click.option("--retention-class", metavar="CLASS", help="Only of this retention class.")
@click.option("--created-after", metavar="TIME", help="Only those created then or later, as in 2033-01-31T00:00:00Z.")
@click.option("--created-before", metavar="TIME", help="Only those created before.")
@click.option("--finalized-after", metavar="TIME", help="Only those finalized then or later.")
@click.option("--finalized-before", metavar="TIME", help="Only those finalized before.")
@click.option("--expires-after", metavar="TIME", help="Only those that expire then or later.")
@click.option("--expires-before", metavar="TIME", help="Only those that expire before.")
@click.option("--metadata", metavar="PATH=VALUE", multiple=True, help="Only with this metadata, as in run_id=run-42.")
@click.option("--label", metavar="NAME=VALUE", multiple=True, help="Only with this label.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many.")
@endpoint_options
@json_option
def list_(
    endpoint: Endpoint,
    metadata: Sequence[str],
    label: Sequence[str],
    limit: int | None,
    *,
    as_json: bool,
    **criteria: Any,
) -> None:
    """List packages, the newest first. Every option given must hold."""
    query = {name: value for name, value in criteria.items() if value}
    query |= _filters("metadata", metadata) | _filters("labels", label)

    async def run() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with endpoint.api() as api:
            async for package in api.items("/packages", {**query, "limit": min(limit or 1000, 1000)}):
                found.append(package)
                if len(found) == limit:
                    break
        return found

    packages = asyncio.run(run())
    if as_json:
        print_json(packages)
        return
    print_table(
        ("package", "id", "status", "revision", "files", "size", "class", "expires"),
        (
            (
                f"{package['repository']}/{package['name']}",
                package["id"],
                package["status"],
                str(package["revision"] or ""),
                str(package["file_count"]),
                size_of(package["size"]),
                package["retention_class"] or "",
                package["expires_at"] or "never",
            )
            for package in packages
        ),
    )


@command.command()
@package_argument
@endpoint_options
@json_option
def show(endpoint: Endpoint, package: str, *, as_json: bool) -> None:
    """Show a package, its retention and what holds it."""

    async def run() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        async with endpoint.api() as api:
            found = await known(api, package)
            retention = await api.call("GET", path_of("packages", found["id"], "retention"))
        return found, retention["holds"]

    found, holds = asyncio.run(run())
    if as_json:
        print_json({**found, "holds": holds})
        return
    _print(found)
    for hold in holds:
        print_fields([("held by", f"{hold['name']} (case {hold['case_ref'] or 'none'}): {hold['reason']}")])
    if found["metadata"]:
        click.echo("metadata")
        print_json(found["metadata"])


@command.command()
@package_argument
@endpoint_options
@json_option
def files(endpoint: Endpoint, package: str, *, as_json: bool) -> None:
    """List the files of a package with their digests."""

    async def run() -> list[dict[str, Any]]:
        async with endpoint.api() as api:
            found = await known(api, package)
            return [file async for file in api.items(path_of("packages", found["id"], "files"), {"limit": 1000})]

    listed = asyncio.run(run())
    if as_json:
        print_json(listed)
        return
    print_table(
        ("path", "size", "sha256", "media type"),
        ((file["path"], str(file["size"]), file["sha256"], file["media_type"]) for file in listed),
    )


@command.command()
@package_argument
@click.option("--revision", type=click.IntRange(1), metavar="N", help="This revision instead of the newest.")
@endpoint_options
def manifest(endpoint: Endpoint, package: str, revision: int | None) -> None:
    """Print the manifest, byte for byte: its SHA-256 is the digest of the package."""

    async def run() -> bytes:
        async with endpoint.api() as api:
            found = await known(api, package)
            content = api.stream(
                path_of("packages", found["id"], "manifest"), {"revision": revision} if revision else None
            )
            return b"".join([piece async for piece in content])

    click.echo(asyncio.run(run()), nl=False)


@command.command()
@package_argument
@endpoint_options
@json_option
def revisions(endpoint: Endpoint, package: str, *, as_json: bool) -> None:
    """List the revisions of a package, the oldest first."""

    async def run() -> list[dict[str, Any]]:
        async with endpoint.api() as api:
            found = await known(api, package)
            listed: list[dict[str, Any]] = (await api.call("GET", path_of("packages", found["id"], "revisions")))[
                "items"
            ]
        return listed

    listed = asyncio.run(run())
    if as_json:
        print_json(listed)
        return
    print_table(
        ("revision", "manifest", "files", "size", "finalized", "by"),
        (
            (
                str(revision["revision"]),
                revision["manifest_sha256"],
                str(revision["file_count"]),
                size_of(revision["size"]),
                revision["finalized_at"],
                revision["finalized_by"],
            )
            for revision in listed
        ),
    )


@command.command()
@package_argument
@endpoint_options
@json_option
def history(endpoint: Endpoint, package: str, *, as_json: bool) -> None:
    """Tell everything that was done to a package, the newest first."""

    async def run() -> list[dict[str, Any]]:
        async with endpoint.api() as api:
            found = await known(api, package)
            return [entry async for entry in api.items(path_of("packages", found["id"], "history"), {"limit": 1000})]

    entries = asyncio.run(run())
    if as_json:
        print_json(entries)
    else:
        print_entries(entries)


@command.command()
@package_argument
@click.option(
    "--sums",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Only if the package holds exactly the files of this list, as `sha256sum` writes it.",
)
@endpoint_options
@json_option
def finalize(endpoint: Endpoint, package: str, sums: Path | None, *, as_json: bool) -> None:
    """Freeze what the package holds and write its manifest."""
    listing = None if sums is None else sums.read_bytes()
    _act(endpoint, package, "finalize", as_json=as_json, text=listing)


@command.command()
@package_argument
@endpoint_options
@json_option
def amend(endpoint: Endpoint, package: str, *, as_json: bool) -> None:
    """Open a finalized package for more files; finalizing again makes its next revision."""
    _act(endpoint, package, "amend", as_json=as_json)


@command.command()
@package_argument
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@endpoint_options
@json_option
def delete(endpoint: Endpoint, package: str, reason: str, *, as_json: bool) -> None:
    """Delete a package that nothing protects. It can be restored for a while."""

    async def run() -> dict[str, Any]:
        async with endpoint.api() as api:
            found = await known(api, package)
            deleted: dict[str, Any] = await api.call(
                "DELETE", path_of("packages", found["id"]), query={"reason": reason}
            )
        return deleted

    _show(asyncio.run(run()), as_json=as_json)


@command.command()
@package_argument
@endpoint_options
@json_option
def restore(endpoint: Endpoint, package: str, *, as_json: bool) -> None:
    """Bring a deleted package back as it was."""
    _act(endpoint, package, "restore", as_json=as_json, deleted=True)


def _act(
    endpoint: Endpoint,
    package: str,
    action: str,
    *,
    as_json: bool,
    text: bytes | None = None,
    deleted: bool = False,
) -> None:
    async def run() -> dict[str, Any]:
        async with endpoint.api() as api:
            found = await known(api, package, deleted=deleted)
            changed: dict[str, Any] = await api.call("POST", path_of("packages", found["id"], action), text=text)
        return changed

    _show(asyncio.run(run()), as_json=as_json)


def _show(package: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(package)
    else:
        _print(package)


def _print(package: Mapping[str, Any]) -> None:
    revision = f", revision {package['revision']}" if package["revision"] else ""
    print_fields(
        (
            ("package", package["id"]),
            ("name", f"{package['repository']}/{package['name']}"),
            ("status", f"{package['status']}{revision}"),
            ("files", f"{number_of(package['file_count'], 'file')}, {size_of(package['size'])}"),
            ("manifest", f"sha256:{package['manifest_sha256']}" if package["manifest_sha256"] else ""),
            ("producer", package["producer"] or ""),
            ("labels", ", ".join(f"{name}={value}" for name, value in sorted(package["labels"].items()))),
            ("created", f"{package['created_at']} by {package['created_by']}"),
            ("finalized", package["finalized_at"] or ""),
            ("deleted", package["deleted_at"] or ""),
            ("retention", f"{package['retention_class']}, {term_of(package['expires_at'])}"),
        )
    )


def _filters(kind: str, texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        path, separator, value = text.partition("=")
        if not path or not separator:
            raise click.UsageError(f"{text!r}: give what to look for as {kind} NAME=VALUE.")
        found[f"{kind}.{path}"] = value
    return found
