"""What every stock client must be able to do, over HTTP and over TLS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.clients.client import Client, ClientFailedError, Endpoint
from tests.fixtures import trees

PREFIX = "assessments/run 1+é/"


class Suite:
    """A class of tests over one client: subclass it and name the client."""

    client: type[Client]

    def test_push_list_read_back_and_remove(self, endpoint: Endpoint, bucket: str, run: Path, tmp_path: Path) -> None:
        client = self.client(endpoint, tmp_path)
        client.push(run, bucket, PREFIX)
        assert client.listing(bucket, PREFIX) == {PREFIX + name: size for name, size in trees.sizes(run).items()}
        client.pull(bucket, PREFIX, tmp_path / "back")
        assert trees.digests(tmp_path / "back") == trees.digests(run)
        client.remove(bucket, PREFIX)
        assert client.listing(bucket, PREFIX) == {}

    def test_large_file(self, endpoint: Endpoint, bucket: str, large: Path, tmp_path: Path, s3: Any) -> None:
        client = self.client(endpoint, tmp_path)
        client.push(large, bucket, "large/")
        (name,) = trees.sizes(large)
        etag = s3.head_object(Bucket=bucket, Key=f"large/{name}")["ETag"]
        assert ("-" in etag) == client.multipart
        client.pull(bucket, "large/", tmp_path / "back")
        assert trees.digests(tmp_path / "back") == trees.digests(large)

    def test_overwrite(self, endpoint: Endpoint, bucket: str, tmp_path: Path) -> None:
        client = self.client(endpoint, tmp_path)
        tree = tmp_path / "tree"
        tree.mkdir()
        for content in (b"first", b"the second, longer"):
            (tree / "state.txt").write_bytes(content)
            client.push(tree, bucket, "over/")
            client.pull(bucket, "over/", tmp_path / f"back-{len(content)}")
            assert (tmp_path / f"back-{len(content)}" / "state.txt").read_bytes() == content

    def test_wrong_secret_key(self, endpoint: Endpoint, bucket: str, run: Path, tmp_path: Path) -> None:
        client = self.client(replace(endpoint, secret_key="wrong" * 8), tmp_path)
        with pytest.raises(ClientFailedError, match=client.wrong_secret):
            client.push(run, bucket, "refused/")

    def test_unknown_access_key(self, endpoint: Endpoint, bucket: str, run: Path, tmp_path: Path) -> None:
        client = self.client(replace(endpoint, access_key="UNKNOWNACCESSKEY0000"), tmp_path)
        with pytest.raises(ClientFailedError, match=client.unknown_key):
            client.listing(bucket, PREFIX)
