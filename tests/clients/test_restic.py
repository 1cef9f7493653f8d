from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.client import ClientFailedError, Endpoint, Tool
from tests.fixtures import trees
from tests.services import clients


class Restic(Tool):
    def configure(self) -> None:
        self.environment["RESTIC_PASSWORD"] = "made-up"

    def restic(self, bucket: str, *words: object) -> str:
        trust = ["--cacert", self.endpoint.ca_file] if self.endpoint.ca_file else []
        return self.run(clients.restic(), "--repo", f"s3:{self.endpoint.url}/{bucket}/backup", *trust, *words)


def test_backup_check_and_restore(endpoint: Endpoint, bucket: str, run: Path, large: Path, tmp_path: Path) -> None:
    restic = Restic(endpoint, tmp_path)
    restic.restic(bucket, "init")
    restic.restic(bucket, "backup", run, large)
    assert "no errors were found" in restic.restic(bucket, "check", "--read-data")
    (snapshot,) = json.loads(restic.restic(bucket, "snapshots", "--json"))
    restic.restic(bucket, "restore", snapshot["id"], "--target", tmp_path / "back")
    for tree in (run, large):
        assert trees.digests(tmp_path / "back" / tree.relative_to("/")) == trees.digests(tree)


def test_second_backup_forget_and_prune(endpoint: Endpoint, bucket: str, run: Path, tmp_path: Path) -> None:
    restic = Restic(endpoint, tmp_path)
    tree = tmp_path / "tree"
    trees.write_small_files(tree, 50)
    restic.restic(bucket, "init")
    restic.restic(bucket, "backup", run)
    restic.restic(bucket, "backup", tree)
    newest = json.loads(restic.restic(bucket, "snapshots", "--json"))[-1]
    restic.restic(bucket, "forget", "--group-by", "", "--keep-last", 1, "--prune")
    assert [found["id"] for found in json.loads(restic.restic(bucket, "snapshots", "--json"))] == [newest["id"]]
    restic.restic(bucket, "check", "--read-data")


def test_wrong_secret_key(endpoint: Endpoint, bucket: str, tmp_path: Path) -> None:
    restic = Restic(replace(endpoint, secret_key="wrong" * 8), tmp_path)
    with pytest.raises(ClientFailedError, match="Access Denied"):
        restic.restic(bucket, "init")
