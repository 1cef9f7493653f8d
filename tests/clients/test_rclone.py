from __future__ import annotations

import json
from pathlib import Path

from tests.clients.client import Client, Endpoint
from tests.clients.suite import PREFIX, Suite
from tests.services import clients


class Rclone(Client):
    def configure(self) -> None:
        options = {
            "type": "s3",
            "provider": "Other",
            "env_auth": "true",
            "endpoint": self.endpoint.url,
            "region": self.endpoint.region,
            "force_path_style": "true",
            "upload_cutoff": "5M",
        }
        self.environment |= {f"RCLONE_CONFIG_STORE_{name.upper()}": value for name, value in options.items()}

        # rclone has its own option for this, and stops when it finds the variable.
        self.environment.pop("AWS_CA_BUNDLE", None)

    def rclone(self, verb: str, *words: object) -> str:
        trust = ["--ca-cert", self.endpoint.ca_file] if self.endpoint.ca_file else []
        return self.run(clients.rclone(), verb, "--retries", 1, "--low-level-retries", 1, *trust, *words)

    def push(self, tree: Path, bucket: str, prefix: str) -> None:
        self.rclone("copy", tree, f"store:{bucket}/{prefix}")

    def listing(self, bucket: str, prefix: str) -> dict[str, int]:
        found = json.loads(self.rclone("lsjson", "--recursive", "--files-only", f"store:{bucket}"))
        return {item["Path"]: item["Size"] for item in found if item["Path"].startswith(prefix)}

    def pull(self, bucket: str, prefix: str, tree: Path) -> None:
        self.rclone("copy", f"store:{bucket}/{prefix}", tree)

    def remove(self, bucket: str, prefix: str) -> None:
        self.rclone("delete", f"store:{bucket}/{prefix}")


class TestRclone(Suite):
    client = Rclone

    def test_check_and_times(self, endpoint: Endpoint, bucket: str, run: Path, tmp_path: Path) -> None:
        """Modification times are kept in user metadata; rclone compares by MD5 or by reading everything."""
        rclone = Rclone(endpoint, tmp_path)
        rclone.push(run, bucket, PREFIX)
        rclone.rclone("check", run, f"store:{bucket}/{PREFIX}")
        rclone.rclone("check", "--download", run, f"store:{bucket}/{PREFIX}")
        rclone.pull(bucket, PREFIX, tmp_path / "back")
        for path in run.rglob("*.json"):
            assert (tmp_path / "back" / path.relative_to(run)).stat().st_mtime_ns == path.stat().st_mtime_ns

    def test_move_within_the_store(self, endpoint: Endpoint, bucket: str, run: Path, tmp_path: Path) -> None:
        rclone = Rclone(endpoint, tmp_path)
        rclone.push(run, bucket, "from/")
        rclone.rclone("move", f"store:{bucket}/from", f"store:{bucket}/to é")
        rclone.rclone("check", run, f"store:{bucket}/to é")
        assert rclone.listing(bucket, "from/") == {}

    def test_purge_takes_the_bucket_too(self, endpoint: Endpoint, run: Path, tmp_path: Path) -> None:
        rclone = Rclone(endpoint, tmp_path)
        name = f"made-by-rclone-{endpoint.url.partition(':')[0]}"
        rclone.rclone("mkdir", f"store:{name}")
        rclone.push(run, name, "a/")
        assert name in rclone.rclone("lsd", "store:")
        rclone.rclone("purge", f"store:{name}")
        assert name not in rclone.rclone("lsd", "store:")
