from __future__ import annotations

import json
from pathlib import Path

from tests.clients.client import Client, ClientFailedError
from tests.clients.suite import Suite
from tests.services import clients


class S5cmd(Client):
    def s5cmd(self, *words: object) -> str:
        return self.run(clients.s5cmd(), "--endpoint-url", self.endpoint.url, "--retry-count", 0, "--json", *words)

    def push(self, tree: Path, bucket: str, prefix: str) -> None:
        self.s5cmd("cp", "--part-size", 5, f"{tree}/", f"s3://{bucket}/{prefix}")

    def listing(self, bucket: str, prefix: str) -> dict[str, int]:
        try:
            found = map(json.loads, self.s5cmd("ls", f"s3://{bucket}/*").splitlines())
        except ClientFailedError as nothing:
            if "no object found" not in str(nothing):
                raise
            return {}
        return {
            key: item.get("size", 0)
            for item in found
            if (key := item["key"].removeprefix(f"s3://{bucket}/")).startswith(prefix)
        }

    def pull(self, bucket: str, prefix: str, tree: Path) -> None:
        self.s5cmd("cp", f"s3://{bucket}/{prefix}*", f"{tree}/")

    def remove(self, bucket: str, prefix: str) -> None:
        self.s5cmd("rm", f"s3://{bucket}/{prefix}*")


class TestS5cmd(Suite):
    client = S5cmd
