"""The main job: stock `aws` pushes a directory, lists it and syncs it back, and every byte is right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.clients.client import Endpoint
from tests.clients.test_aws_cli import AwsCli
from tests.clients.test_curl import Curl
from tests.fixtures import coverage_report, guide_board, trees, wheelhouse
from tests.services import clients
from tests.services.memory import Memory
from tests.services.server import Server

_GIB = 1 << 30
_MIB = 1 << 20

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


@pytest.mark.slow
def test_ten_thousand_small_files(plain: Endpoint, bucket: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", f"s3://{bucket}/many/"
    trees.write_small_files(source)
    aws = AwsCli(plain, tmp_path)
    assert aws.s3("sync", "--no-progress", source, target).count("upload:") == 10_000
    assert aws.s3("sync", "--no-progress", source, target) == ""
    assert aws.listing(bucket, "") == {f"many/{name}": size for name, size in trees.sizes(source).items()}
    aws.s3("sync", "--no-progress", target, tmp_path / "back")
    assert trees.digests(tmp_path / "back") == trees.digests(source)


@pytest.mark.slow
class TestFiveGibibytes:
    """Memory is bounded whatever the size: each way of moving 5 GiB grows the whole server by less than 64 MiB."""

    @pytest.fixture(scope="class")
    def file(self, tmp_path_factory: pytest.TempPathFactory) -> Any:
        path = tmp_path_factory.mktemp("big") / "image.bin"
        digest = trees.write_big_file(path, 5 * _GIB)
        yield path, digest
        path.unlink()

    @pytest.fixture
    def memory(self, server: Server, plain: Endpoint, bucket: str, tmp_path: Path) -> Memory:
        # What every first request allocates for good is no growth.
        trees.write_big_file(tmp_path / "first", 20 * _MIB)
        AwsCli(plain, tmp_path).s3("cp", "--no-progress", tmp_path / "first", f"s3://{bucket}/first")
        return Memory.of(server.process.pid)

    def test_multipart_upload_and_ranged_download(
        self, file: tuple[Path, str], memory: Memory, plain: Endpoint, bucket: str, tmp_path: Path
    ) -> None:
        path, digest = file
        aws = AwsCli(plain, tmp_path)
        aws.s3("cp", "--no-progress", path, f"s3://{bucket}/image")
        assert aws.listing(bucket, "image") == {"image": 5 * _GIB}
        back = (clients.aws(), "--endpoint-url", plain.url, "s3", "cp", "--no-progress", f"s3://{bucket}/image", "-")
        assert aws.digest(*back) == digest
        assert memory.growth() < 64 * _MIB

    def test_one_put_and_one_get(
        self, file: tuple[Path, str], memory: Memory, plain: Endpoint, bucket: str, tmp_path: Path
    ) -> None:
        path, digest = file
        curl = Curl(plain, tmp_path)
        curl.curl(f"/{bucket}/image", "--upload-file", path)
        assert curl.listing(bucket, "image") == {"image": 5 * _GIB}
        assert curl.digest(*curl.command(f"/{bucket}/image")) == digest
        assert memory.growth() < 64 * _MIB
