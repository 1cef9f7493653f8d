from __future__ import annotations

from pathlib import Path

from tests.clients.client import Client
from tests.clients.suite import Suite
from tests.services import clients


class S3cmd(Client):
    def configure(self) -> None:
        tls = (
            f"use_https = True\nca_certs_file = {self.endpoint.ca_file}"
            if self.endpoint.ca_file
            else "use_https = False"
        )
        (self.home / ".s3cfg").write_text(
            f"""[default]
access_key = {self.endpoint.access_key}
secret_key = {self.endpoint.secret_key}
bucket_location = {self.endpoint.region}
host_base = {self.endpoint.address}
host_bucket = {self.endpoint.address}
{tls}
multipart_chunk_size_mb = 5
"""
        )

    def s3cmd(self, *words: object) -> str:
        return self.run(clients.s3cmd(), "--config", self.home / ".s3cfg", "--no-progress", *words)

    def push(self, tree: Path, bucket: str, prefix: str) -> None:
        self.s3cmd("put", "--recursive", f"{tree}/", f"s3://{bucket}/{prefix}")

    def listing(self, bucket: str, prefix: str) -> dict[str, int]:
        lines = (
            line.split(maxsplit=3) for line in self.s3cmd("ls", "--recursive", f"s3://{bucket}/{prefix}").splitlines()
        )
        return {url.removeprefix(f"s3://{bucket}/"): int(size) for _, _, size, url in lines}

    def pull(self, bucket: str, prefix: str, tree: Path) -> None:
        tree.mkdir()
        self.s3cmd("get", "--recursive", f"s3://{bucket}/{prefix}", f"{tree}/")

    def remove(self, bucket: str, prefix: str) -> None:
        self.s3cmd("del", "--recursive", "--force", f"s3://{bucket}/{prefix}")


class TestS3cmd(Suite):
    client = S3cmd
