"""`artifact-store push`: a directory becomes a package, over S3."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from gateway.cli.api import Api, path_of
from gateway.cli.endpoint import Endpoint, endpoint_options
from gateway.cli.failure import USAGE, Failure
from gateway.cli.output import number_of, print_fields, size_of, term_of
from gateway.cli.package_names import find, is_id, split
from gateway.cli.parallel import together
from gateway.cli.profiles import PROFILES
from gateway.cli.profiles.profile import Description, Fault, FaultyDirectoryError
from gateway.cli.progress import progress
from gateway.cli.s3 import S3
from gateway.cli.tree import HashedFile, LocalFile, hashed, scan
from gateway.cli.upload import upload
from registry import sha256sums
from registry.errors import InvalidArgumentError
from registry.names import RESERVED_SEGMENT, check_package_name

LINK = "artifact-store.link.v1"
"""The schema of the line for a hub."""

_NAMED = 10
_OWN_FIELDS = ("labels", "producer", "retention_class")
_TOLD_METADATA = ("run_id", "result_status", "evidence_counts", "finding_counts")


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be pushed, and what is said of it. Nothing of it comes from the server."""

    directory: Path
    repository: str
    name: str
    files: Sequence[LocalFile]
    description: Mapping[str, Any]
    """The package.json to be; empty: nothing is said."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a push has to do, known before the first byte is sent."""

    package: Mapping[str, Any] | None
    files: Sequence[HashedFile]
    missing: Sequence[HashedFile]
    """What the server does not have as it is here."""
    late: Sequence[HashedFile]
    """What the manifest of a finalized package does not list."""
    sums: Mapping[str, str]
    """What the package is to hold in the end."""

    @property
    def finalized(self) -> bool:
        return self.package is not None and self.package["status"] == "finalized"


@click.command("push")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("target", metavar="[s3://REPOSITORY/PACKAGE]", required=False)
@click.option("--repository", metavar="NAME", help="The repository, where no target names it.")
@click.option("--package", metavar="NAME", help="The package, where no target names it.")
@click.option(
    "--profile",
    type=click.Choice(sorted(PROFILES)),
    help="Read name, metadata and retention class from the files of this producer.",
)
@click.option("--retention-class", metavar="CLASS", help="How long to keep it; stronger than the profile's.")
@click.option("--producer", metavar="TEXT", help="The tool or job that made it.")
@click.option("--metadata", metavar="NAME=VALUE", multiple=True, help="Add to the metadata; may be repeated.")
@click.option(
    "--metadata-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Metadata as a JSON object.",
)
@click.option("--label", metavar="NAME=VALUE", multiple=True, help="Label the package; may be repeated.")
@click.option("--amend", is_flag=True, help="Add late files to a finalized package, as its next revision.")
@click.option("--no-finalize", is_flag=True, help="Leave the package open for more.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=8, show_default=True, metavar="N", help="Requests at a time."
)
@endpoint_options
@click.option("--json", "as_json", is_flag=True, help="Print nothing but the line for a hub.")
def command(
    endpoint: Endpoint,
    directory: Path,
    target: str | None,
    *,
    repository: str | None,
    package: str | None,
    profile: str | None,
    retention_class: str | None,
    producer: str | None,
    metadata: Sequence[str],
    metadata_file: Path | None,
    label: Sequence[str],
    jobs: int,
    amend: bool,
    no_finalize: bool,
    as_json: bool,
) -> None:
    """Send DIRECTORY as a package and finalize it.

    Only what the server does not have is sent, so that an interrupted push is taken up by pushing again. Finalizing
    proves that the package holds exactly these files with these digests. The last line printed is JSON for a
    work-tracking hub to record: package id, digest of the manifest, counts, retention.
    """
    if amend and no_finalize:
        raise click.UsageError("--amend makes the next revision, so it does not go with --no-finalize.")
    told = _described(directory, profile)
    chosen, name = _target(target, repository, package, told)
    description = _description(
        told,
        retention_class=retention_class,
        producer=producer,
        metadata=metadata,
        metadata_file=metadata_file,
        labels=label,
    )
    files, faults = scan(directory, name)
    if faults:
        raise _faulty(f"{directory} cannot be pushed as it is", faults)
    if not files:
        raise Failure(f"{directory} has no files: there is nothing to push.")
    source = Source(directory, chosen, name, files, description)
    sent, link = asyncio.run(_push(endpoint, source, jobs, amend=amend, finalize=not no_finalize))
    if not as_json:
        _print(source, sent, link)
    click.echo(json.dumps(link, ensure_ascii=False))


# --- before anything is sent ---


def _described(directory: Path, profile: str | None) -> Description | None:
    if profile is None:
        return None
    try:
        return PROFILES[profile](directory)
    except FaultyDirectoryError as error:
        raise _faulty(f"{directory} is not a directory of {profile}, and nothing was sent", error.faults) from None


def _faulty(what: str, faults: Iterable[Fault]) -> Failure:
    return Failure(f"{what}:\n" + "\n".join(f"  {fault}" for fault in faults))


def _target(
    target: str | None, repository: str | None, package: str | None, told: Description | None
) -> tuple[str, str]:
    if target is not None:
        if repository or package:
            raise click.UsageError("Give either s3://REPOSITORY/PACKAGE or --repository and --package.")
        if is_id(target):
            raise click.UsageError("A push names its package by repository and name, not by an id.")
        repository, package = split(target)
    package = package or (told.name if told else None)
    if not repository:
        raise click.UsageError("Say where to: s3://REPOSITORY/PACKAGE, or --repository and --package.")
    if not package:
        raise click.UsageError("Say which package: s3://REPOSITORY/PACKAGE or --package. Only a profile knows a name.")
    # How many segments a name has is the repository's to say; all else can be told now.
    _check_name(package, package.count("/") + 1)
    return repository, package


def _check_name(name: str, depth: int) -> None:
    try:
        check_package_name(name, depth)
    except InvalidArgumentError as error:
        raise Failure(str(error), USAGE) from None


def _description(
    told: Description | None,
    *,
    retention_class: str | None,
    producer: str | None,
    metadata: Sequence[str],
    metadata_file: Path | None,
    labels: Sequence[str],
) -> dict[str, Any]:
    """The content of package.json; empty where there is nothing to say."""
    found: dict[str, Any] = dict(told.metadata) if told else {}
    if metadata_file is not None:
        found |= _read_object(metadata_file)
    found |= _pairs("--metadata", metadata)
    for field in _OWN_FIELDS:
        if field in found:
            raise click.UsageError(f"{field} is no metadata of its own: there is an option for it.")
    said: tuple[Any, ...] = (
        _pairs("--label", labels),
        producer or (told.producer if told else None),
        retention_class or (told.retention_class if told else None),
    )
    return found | {field: value for field, value in zip(_OWN_FIELDS, said, strict=True) if value}


def _read_object(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Failure(f"--metadata-file: {file} is not JSON: {error}.", USAGE) from None
    if not isinstance(document, dict):
        raise Failure(f"--metadata-file: {file} is not a JSON object.", USAGE)
    return document


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise click.UsageError(f"{option} {text!r}: give NAME=VALUE.")
        found[name] = value
    return found


# --- with the server ---


async def _push(
    endpoint: Endpoint, source: Source, jobs: int, *, amend: bool, finalize: bool
) -> tuple[Sequence[HashedFile], dict[str, Any]]:
    """What was sent, and the line for a hub."""
    async with endpoint.api() as api, endpoint.s3(jobs) as s3:
        _check_name(source.name, (await api.call("GET", path_of("repositories", source.repository)))["package_depth"])
        plan = await _plan(api, source)
        _check(plan, source, amend=amend, finalize=finalize)
        if plan.finalized and plan.late:
            await _control(s3, source, "amend")
        if source.description and not plan.finalized:
            await _control(s3, source, "package.json", json.dumps(source.description).encode())
        await _send(s3, source, plan.missing)
        if finalize and (plan.late or not plan.finalized):
            await _control(s3, source, "SHA256SUMS", b"".join(sha256sums.render(sorted(plan.sums.items()))))
        package = await find(api, f"{source.repository}/{source.name}")
        if package is None:
            raise Failure(f"Package {source.repository}/{source.name} was deleted while it was being pushed.")
        return plan.missing, _link(endpoint, package, plan)


async def _plan(api: Api, source: Source) -> Plan:
    with progress("Reading", sum(file.size for file in source.files)) as done:

        async def read(file: LocalFile) -> HashedFile:
            known = await asyncio.to_thread(hashed, file)
            done(file.size)
            return known

        files = await together(read(file) for file in source.files)
    here = {file.path: file.sha256 for file in files}
    package = await find(api, f"{source.repository}/{source.name}")
    there: dict[str, str] = {}
    frozen: dict[str, str] = {}
    if package is not None:
        listed = api.items(path_of("packages", package["id"], "files"), {"limit": 1000})
        there = {file["path"]: file["sha256"] async for file in listed}
        if package["status"] == "finalized":
            manifest = await api.call("GET", path_of("packages", package["id"], "manifest"))
            frozen = {file["path"]: file["sha256"] for file in manifest["files"]}
    return Plan(
        package,
        files,
        missing=[file for file in files if there.get(file.path) != file.sha256],
        late=[file for file in files if file.path not in frozen],
        sums={**there, **here},
    )


def _check(plan: Plan, source: Source, *, amend: bool, finalize: bool) -> None:
    """Fail where the server would refuse in the end, before anything is sent."""
    where = f"{source.repository}/{source.name}"
    if plan.finalized:
        late = {file.path for file in plan.late}
        if changed := [file.path for file in plan.missing if file.path not in late]:
            raise Failure(
                f"Package {where} is finalized, and its files never change: {_names(changed)} differ here. "
                "Push them as a package of another name."
            )
        if late and not amend:
            raise Failure(
                f"Package {where} is finalized, and {number_of(len(late), 'file')} here "
                f"{'is' if len(late) == 1 else 'are'} not in it: {_names(sorted(late))}. "
                f"Push with --amend to add {'it' if len(late) == 1 else 'them'} as the next revision."
            )
    elif amend:
        raise Failure(f"Package {where} is not finalized, so there is nothing to amend. Push without --amend.")
    elif finalize and (others := plan.sums.keys() - {file.path for file in plan.files}):
        raise Failure(
            f"Package {where} holds what {source.directory} does not: {_names(sorted(others))}. "
            "Remove them there, or push with --no-finalize and finalize it as it is."
        )


def _names(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_NAMED]) + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")


async def _send(s3: S3, source: Source, files: Sequence[HashedFile]) -> None:
    with progress("Sending", sum(file.size for file in files)) as done:
        await together(upload(s3, source.repository, f"{source.name}/{file.path}", file, done) for file in files)


async def _control(s3: S3, source: Source, name: str, content: bytes = b"") -> None:
    """Write one of the registry's own keys: what it does, it does at once."""
    await s3.put(source.repository, f"{source.name}/{RESERVED_SEGMENT}/{name}", content)


# --- afterwards ---


def _link(endpoint: Endpoint, package: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    fields = ("repository", "name", "status", "revision", "manifest_sha256", "file_count", "size")
    return {
        "schema": LINK,
        "package_id": package["id"],
        **{field: package[field] for field in fields},
        "retention_class": package["retention_class"],
        "expires_at": package["expires_at"],
        "location": f"s3://{package['repository']}/{package['name']}/",
        "url": f"{endpoint.url.rstrip('/')}/api/v1/packages/{package['id']}",
        "sent": {"file_count": len(plan.missing), "size": sum(file.size for file in plan.missing)},
        **{field: package["metadata"][field] for field in _TOLD_METADATA if field in package["metadata"]},
    }


def _print(source: Source, sent: Sequence[HashedFile], link: Mapping[str, Any]) -> None:
    size = size_of(sum(file.size for file in sent))
    click.echo(
        f"Sent {number_of(len(sent), 'file')} ({size}) of {len(source.files)}; "
        f"{number_of(len(source.files) - len(sent), 'file')} there already."
    )
    print_fields(
        (
            ("package", link["package_id"]),
            ("name", f"{link['repository']}/{link['name']}"),
            ("status", f"{link['status']}, revision {link['revision']}" if link["revision"] else link["status"]),
            ("manifest", f"sha256:{link['manifest_sha256']}" if link["manifest_sha256"] else ""),
            ("retention", f"{link['retention_class']}, {term_of(link['expires_at'])}"),
        )
    )
