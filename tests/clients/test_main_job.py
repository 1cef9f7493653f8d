"""The main job: stock `aws` pushes a directory, lists it and syncs it back, and every byte is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.clients.client import Endpoint
from tests.clients.test_aws_cli import AwsCli
from tests.clients.test_curl import Curl
from tests.fixtures import coverage_report, guide_board, trees, wheelhouse
from tests.services.memory import Memory
from tests.services.server import Server

_GIB = 1 << 30
_MIB = 1 << 20


class PatientAws(AwsCli):
    timeout = 1800.0


class PatientCurl(Curl):
    timeout = 1800.0


_DIRECTORIES: dict[str, Callable[[Path], object]] = {
    "completed run": guide_board.write,
    "failing run": partial(guide_board.write, failing=True),
    "awkward run with 12 MB logs": partial(guide_board.write, awkward=True, stdout_size=guide_board.BIG_STDOUT),
    "wheelhouse": wheelhouse.write,
    "coverage report": coverage_report.write,
}


@pytest.mark.parametrize("write", _DIRECTORIES.values(), ids=_DIRECTORIES.keys())
def test_push_list_and_sync_back(
    write: Callable[[Path], object], endpoint: Endpoint, bucket: str, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", f"s3://{bucket}/run-1"
    source.mkdir()
    write(source)
    aws = AwsCli(endpoint, tmp_path)
    aws.s3("cp", "--recursive", "--no-progress", source, target)
    assert aws.listing(bucket, "") == {f"run-1/{name}": size for name, size in trees.sizes(source).items()}
    (tmp_path / "empty").mkdir()
    aws.s3("sync", "--no-progress", target, tmp_path / "empty")
    assert trees.digests(tmp_path / "empty") == trees.digests(source)


@pytest.fixture
def plain_bucket(plain: Endpoint, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new bucket of the server over HTTP, for what TLS would not make different."""
    name = request.node.name.replace("_", "-")
    AwsCli(plain, tmp_path).s3("mb", f"s3://{name}")
    return name


@pytest.mark.slow
def test_ten_thousand_small_files(plain: Endpoint, plain_bucket: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", f"s3://{plain_bucket}/many/"
    trees.write_small_files(source)
    aws = PatientAws(plain, tmp_path)
    assert aws.s3("sync", "--no-progress", source, target).count("upload:") == 10_000
    assert aws.s3("sync", "--no-progress", source, target) == ""
    assert aws.listing(plain_bucket, "") == {f"many/{name}": size for name, size in trees.sizes(source).items()}
    aws.s3("sync", "--no-progress", target, tmp_path / "back")
    assert trees.digests(tmp_path / "back") == trees.digests(source)


# Memory is bounded whatever the size: each way of moving 5 GiB grows the whole server by less than 64 MiB.


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A file of 5 GiB and its SHA-256."""
    path = tmp_path_factory.mktemp("big") / "image.bin"
    yield path, trees.write_big_file(path, 5 * _GIB)
    path.unlink()


@pytest.fixture
def memory(server: Server, plain: Endpoint, plain_bucket: str, tmp_path: Path) -> Memory:
    # What every first request allocates for good is no growth.
    trees.write_big_file(tmp_path / "first", 20 * _MIB)
    aws = PatientAws(plain, tmp_path)
    aws.s3("cp", "--no-progress", tmp_path / "first", f"s3://{plain_bucket}/first")
    aws.s3("cp", "--no-progress", f"s3://{plain_bucket}/first", tmp_path / "first")
    return Memory.of(server.process.pid)


@pytest.mark.slow
def test_five_gibibytes_in_parts(
    big: tuple[Path, str], memory: Memory, plain: Endpoint, plain_bucket: str, tmp_path: Path
) -> None:
    path, digest = big
    aws = PatientAws(plain, tmp_path)
    aws.s3("cp", "--no-progress", path, f"s3://{plain_bucket}/image")
    assert aws.listing(plain_bucket, "image") == {"image": 5 * _GIB}
    assert aws.digest(*aws.command("cp", "--no-progress", f"s3://{plain_bucket}/image", "-")) == digest
    assert memory.growth() < 64 * _MIB


@pytest.mark.slow
def test_five_gibibytes_in_one_put_and_one_get(
    big: tuple[Path, str], memory: Memory, plain: Endpoint, plain_bucket: str, tmp_path: Path
) -> None:
    path, digest = big
    curl = PatientCurl(plain, tmp_path)
    curl.curl(f"/{plain_bucket}/image", "--upload-file", path)
    assert curl.listing(plain_bucket, "image") == {"image": 5 * _GIB}
    assert curl.digest(*curl.command(f"/{plain_bucket}/image")) == digest
    assert memory.growth() < 64 * _MIB
