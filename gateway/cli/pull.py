"""`artifact-store pull`: a finalized package becomes a directory, every byte proven on the way."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from gateway.cli.api import UnreachableError
from gateway.cli.endpoint import Endpoint, endpoint_options
from gateway.cli.failure import USAGE, Failure
from gateway.cli.options import json_option
from gateway.cli.output import number_of, print_json, size_of
from gateway.cli.package_names import is_id, known, split
from gateway.cli.parallel import together
from gateway.cli.progress import Progressed, progress
from gateway.cli.s3 import S3, S3Error
from gateway.cli.verify import decoded
from registry import sha256sums
from registry.manifest import Manifest, ManifestFile
from registry.names import RESERVED_SEGMENT

PARTIAL = "partial"
"""Below `.artifact/`: files that have not come whole yet."""

_DELAYS = (0.2, 1.0, 3.0)
"""Seconds before the rest of a file is asked for again."""
_NAMED = 10


@dataclass(frozen=True, slots=True)
class _Copy:
    """A directory that is to become what a manifest says."""

    directory: Path
    manifest: Manifest

    def place(self, file: ManifestFile) -> Path:
        return self.directory / file.path

    def partial(self, file: ManifestFile) -> Path:
        """Where the bytes gather until they are proven; named by what they are to be, so that they can be resumed."""
        name = hashlib.sha256(f"{file.sha256}  {file.path}".encode()).hexdigest()
        return self.directory / RESERVED_SEGMENT / PARTIAL / name

    def unfit(self) -> list[str]:
        """Paths that no directory can hold, that lead out of this one, or where something else stands in the way."""
        return [file.path for file in self.manifest.files if not self._fits(file.path)]

    def _fits(self, path: str) -> bool:
        segments = path.split("/")
        if {"", ".", ".."} & set(segments) or "\0" in path or segments[0] == RESERVED_SEGMENT:
            return False
        parents = [self.directory.joinpath(*segments[:depth]) for depth in range(1, len(segments))]
        if any(parent.is_symlink() or (parent.exists() and not parent.is_dir()) for parent in parents):
            return False
        place = self.directory / path
        return place.is_symlink() or not place.is_dir()

    def compare(self, file: ManifestFile) -> bool | None:
        """Whether the file is here as it should be; None: it is not here at all. Blocks while it reads."""
        place = self.place(file)
        if not os.path.lexists(place):
            return None
        if place.is_symlink() or not place.is_file() or place.stat().st_size != file.size:
            return False
        return _digest(place) == file.sha256


@click.command("pull")
@click.argument("package", metavar="PACKAGE")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--revision", type=click.IntRange(1), metavar="N", help="This revision instead of the newest.")
@click.option("--digest", metavar="SHA256", help="Refuse any manifest but the one of this digest.")
@click.option("--replace", is_flag=True, help="Replace local files that differ.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=8, show_default=True, metavar="N", help="Requests at a time."
)
@endpoint_options
@json_option
def command(
    endpoint: Endpoint,
    package: str,
    directory: Path,
    *,
    revision: int | None,
    digest: str | None,
    jobs: int,
    replace: bool,
    as_json: bool,
) -> None:
    """Fetch PACKAGE (s3://REPOSITORY/NAME or its id) into DIRECTORY.

    Every file is checked against the manifest before it takes its name. Files that are here already are not fetched
    again, so that an interrupted pull is taken up by pulling again. The manifest is kept in DIRECTORY/.artifact, for
    `artifact-store verify` and `sha256sum -c`.
    """
    try:
        document, manifest, fetched = asyncio.run(
            _pull(endpoint, package, directory, revision=revision, digest=digest, jobs=jobs, replace=replace)
        )
    except OSError as error:
        raise Failure(f"{error.filename or directory}: {error.strerror}.") from error
    size = sum(file.size for file in fetched)
    if as_json:
        print_json(
            {
                "package_id": manifest.package_id,
                "repository": manifest.repository,
                "name": manifest.name,
                "revision": manifest.revision,
                "manifest_sha256": hashlib.sha256(document).hexdigest(),
                "file_count": len(manifest.files),
                "fetched": {"file_count": len(fetched), "size": size},
            }
        )
        return
    click.echo(
        f"Fetched {number_of(len(fetched), 'file')} ({size_of(size)}) of {len(manifest.files)} of package "
        f"{manifest.repository}/{manifest.name}, revision {manifest.revision}; every one is as the manifest "
        f"sha256:{hashlib.sha256(document).hexdigest()} says."
    )


async def _pull(
    endpoint: Endpoint,
    package: str,
    directory: Path,
    *,
    revision: int | None,
    digest: str | None,
    jobs: int,
    replace: bool,
) -> tuple[bytes, Manifest, Sequence[ManifestFile]]:
    repository, name = await _located(endpoint, package)
    async with endpoint.s3(jobs) as s3:
        document = await _manifest(s3, repository, name, revision)
        copy = _Copy(directory, decoded(document, digest, f"the manifest of {repository}/{name}"))
        if unfit := copy.unfit():
            raise Failure(
                f"{directory} cannot hold {_names(unfit)}: something stands in the way, or no directory can have "
                "files of these names. Pull into an empty directory, or fetch them one by one over S3."
            )
        missing = await _missing(copy, replace=replace)
        own = directory / RESERVED_SEGMENT
        (own / PARTIAL).mkdir(parents=True, exist_ok=True)
        with progress("Fetching", sum(file.size for file in missing)) as done:
            await together(_fetch(s3, copy, file, done) for file in missing)
    shutil.rmtree(own / PARTIAL)
    (own / "manifest.json").write_bytes(document)
    sums = sha256sums.render((file.path, file.sha256) for file in sorted(copy.manifest.files))
    (own / "SHA256SUMS").write_bytes(b"".join(sums))
    return document, copy.manifest, missing


async def _located(endpoint: Endpoint, package: str) -> tuple[str, str]:
    """Repository and name; only an id has to be asked for."""
    if is_id(package):
        async with endpoint.api() as api:
            found = await known(api, package)
        return found["repository"], found["name"]
    repository, name = split(package)
    if not name:
        raise Failure(f"{package!r} names a repository, not a package: add its name.", USAGE)
    return repository, name


async def _manifest(s3: S3, repository: str, name: str, revision: int | None) -> bytes:
    below = "manifest.json" if revision is None else f"revisions/{revision}/manifest.json"
    try:
        return await s3.read(repository, f"{name}/{RESERVED_SEGMENT}/{below}")
    except S3Error as error:
        if error.code != "NoSuchKey":
            raise
        what = "it is not finalized, or there is no such package" if revision is None else f"no revision {revision}"
        raise Failure(f"{repository}/{name} has no manifest to prove a copy with: {what}.") from None


async def _missing(copy: _Copy, *, replace: bool) -> list[ManifestFile]:
    files = copy.manifest.files
    with progress("Reading", sum(file.size for file in files)) as done:

        async def compared(file: ManifestFile) -> bool | None:
            same = await asyncio.to_thread(copy.compare, file)
            done(file.size)
            return same

        found = await together(compared(file) for file in files)
    different = [file.path for file, same in zip(files, found, strict=True) if same is False]
    if different and not replace:
        raise Failure(
            f"{copy.directory} has other files under these names: {_names(different)}. Pull into an empty directory, "
            "or with --replace."
        )
    return [file for file, same in zip(files, found, strict=True) if not same]


async def _fetch(s3: S3, copy: _Copy, file: ManifestFile, done: Progressed) -> None:
    manifest, partial = copy.manifest, copy.partial(file)
    key = f"{manifest.name}/{file.path}"
    for delay in (*_DELAYS, None):
        try:
            await _gather(s3, manifest.repository, key, partial, file.size)
            break
        except UnreachableError:
            if delay is None:
                raise
            await asyncio.sleep(delay)
    if await asyncio.to_thread(_digest, partial) != file.sha256:
        partial.unlink()
        raise Failure(f"{file.path} did not come as the manifest says: its bytes have another SHA-256.")
    place = copy.place(file)
    place.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(place)
    done(file.size)


async def _gather(s3: S3, repository: str, key: str, partial: Path, size: int) -> None:
    """Fetch what is missing at the end of the partial file."""
    with partial.open("ab") as output:
        start = output.tell()
        if start >= size:
            return
        async with s3.get(repository, key, start=start) as content:
            async for piece in content:
                await asyncio.to_thread(output.write, piece)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_NAMED]) + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")
