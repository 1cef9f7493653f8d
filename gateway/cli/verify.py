"""`artifact-store verify`: is a local copy what its manifest says? Trusts no server, and needs none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from gateway.cli.failure import REFUSED, USAGE, Failure
from gateway.cli.options import json_option
from gateway.cli.output import number_of, print_json, print_table, size_of
from gateway.cli.progress import progress
from registry.local_copy import verify_directory
from registry.manifest import MalformedManifestError, Manifest, decode
from registry.names import RESERVED_SEGMENT


@click.command("verify")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--manifest",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The manifest.  [default: DIRECTORY/.artifact/manifest.json]",
)
@click.option("--digest", metavar="SHA256", help="Accept no manifest but the one of this digest.")
@json_option
@click.pass_context
def command(ctx: click.Context, directory: Path, file: Path | None, digest: str | None, *, as_json: bool) -> None:
    """Compare DIRECTORY with the manifest of its package, offline.

    Names every file that is missing, that is not in the manifest, or whose content is another; exit code 1 if there is
    any. With --digest, from a hub or a release note, not even the manifest is taken on trust.
    """
    path = file or directory / RESERVED_SEGMENT / "manifest.json"
    try:
        document = path.read_bytes()
    except OSError as error:
        raise Failure(
            f"{path} cannot be read: {error.strerror}. A pull puts the manifest there; --manifest names another one.",
            USAGE,
        ) from None
    manifest = decoded(document, digest, str(path))
    with progress("Reading", sum(listed.size for listed in manifest.files)) as done:
        differences = verify_directory(directory, manifest, progress=lambda listed: done(listed.size))
    found = hashlib.sha256(document).hexdigest()
    if as_json:
        print_json(
            {
                "package_id": manifest.package_id,
                "repository": manifest.repository,
                "name": manifest.name,
                "revision": manifest.revision,
                "manifest_sha256": found,
                "file_count": len(manifest.files),
                "differences": [
                    {
                        "path": difference.path,
                        "kind": difference.kind.value,
                        "expected": difference.expected,
                        "actual": difference.actual,
                    }
                    for difference in differences
                ],
            }
        )
    elif differences:
        print_table(("path", "difference"), ((one.path, str(one).removeprefix(f"{one.path}: ")) for one in differences))
        click.echo(f"{number_of(len(differences), 'difference')} from the manifest sha256:{found}.", err=True)
    else:
        size = size_of(sum(listed.size for listed in manifest.files))
        click.echo(
            f"{number_of(len(manifest.files), 'file')} ({size}) of package {manifest.repository}/{manifest.name}, "
            f"revision {manifest.revision}: every one is as the manifest sha256:{found} says, and there is no other."
        )
    if differences:
        ctx.exit(REFUSED)


def decoded(document: bytes, digest: str | None, what: str) -> Manifest:
    """The manifest in a document, if it is the one of that digest."""
    found = hashlib.sha256(document).hexdigest()
    if digest is not None and digest.lower().removeprefix("sha256:") != found:
        raise Failure(f"{what} is not the one you ask for: its SHA-256 is {found}.")
    try:
        return decode(document)
    except MalformedManifestError as error:
        raise Failure(f"{what}: {error}") from None
