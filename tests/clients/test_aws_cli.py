from __future__ import annotations

from pathlib import Path

from tests.clients.client import Client, Endpoint
from tests.clients.suite import PREFIX, Suite
from tests.fixtures import trees
from tests.services import clients


class AwsCli(Client):
    def command(self, verb: str, *words: object) -> tuple[object, ...]:
        return (clients.aws(), "--endpoint-url", self.endpoint.url, "s3", verb, *words)

    def s3(self, verb: str, *words: object) -> str:
        return self.run(*self.command(verb, *words))

    def push(self, tree: Path, bucket: str, prefix: str) -> None:
        self.s3("cp", "--recursive", "--no-progress", tree, f"s3://{bucket}/{prefix}")

    def listing(self, bucket: str, prefix: str) -> dict[str, int]:
        lines = (line.split(maxsplit=3) for line in self.s3("ls", "--recursive", f"s3://{bucket}/").splitlines())
        return {key: int(size) for _, _, size, key in lines if key.startswith(prefix)}

    def pull(self, bucket: str, prefix: str, tree: Path) -> None:
        self.s3("sync", "--no-progress", f"s3://{bucket}/{prefix}", tree)

    def remove(self, bucket: str, prefix: str) -> None:
        self.s3("rm", "--recursive", f"s3://{bucket}/{prefix}")


class TestAwsCli(Suite):
    client = AwsCli

    def test_second_sync_sends_nothing(self, endpoint: Endpoint, bucket: str, run: Path, tmp_path: Path) -> None:
        aws = AwsCli(endpoint, tmp_path)
        target = f"s3://{bucket}/{PREFIX}"
        assert aws.s3("sync", run, target, "--no-progress").count("upload:") == len(trees.sizes(run))
        assert aws.s3("sync", run, target, "--no-progress") == ""
        aws.s3("sync", target, tmp_path / "back", "--no-progress")
        assert aws.s3("sync", target, tmp_path / "back", "--no-progress") == ""
        assert trees.digests(tmp_path / "back") == trees.digests(run)

    def test_sync_deletes_what_is_gone(self, endpoint: Endpoint, bucket: str, tmp_path: Path) -> None:
        aws = AwsCli(endpoint, tmp_path)
        trees.write_small_files(tmp_path / "tree", 12)
        aws.s3("sync", tmp_path / "tree", f"s3://{bucket}/")
        gone = tmp_path / "tree" / "000" / "00007.dat"
        gone.unlink()
        assert "delete:" in aws.s3("sync", "--delete", tmp_path / "tree", f"s3://{bucket}/")
        assert aws.listing(bucket, "") == trees.sizes(tmp_path / "tree")

    def test_copy_and_move_within_the_store(self, endpoint: Endpoint, bucket: str, run: Path, tmp_path: Path) -> None:
        aws = AwsCli(endpoint, tmp_path)
        aws.push(run, bucket, "a/")
        aws.s3("cp", "--recursive", f"s3://{bucket}/a/", f"s3://{bucket}/copied é/")
        aws.s3("mv", "--recursive", f"s3://{bucket}/a/", f"s3://{bucket}/moved/")
        sizes = trees.sizes(run)
        expected = {prefix + name: size for prefix in ("copied é/", "moved/") for name, size in sizes.items()}
        assert aws.listing(bucket, "") == expected

    def test_buckets_come_and_go(self, endpoint: Endpoint, tmp_path: Path) -> None:
        aws = AwsCli(endpoint, tmp_path)
        name = f"made-by-aws-{endpoint.url.partition(':')[0]}"
        aws.s3("mb", f"s3://{name}")
        assert f" {name}\n" in aws.s3("ls")
        aws.s3("rb", f"s3://{name}")
        assert f" {name}\n" not in aws.s3("ls")

    def test_presigned_url(self, endpoint: Endpoint, bucket: str, tmp_path: Path) -> None:
        aws = AwsCli(endpoint, tmp_path)
        (tmp_path / "report é+1.md").write_text("# Report\n")
        aws.s3("cp", tmp_path / "report é+1.md", f"s3://{bucket}/")
        aws.run(clients.aws(), "configure", "set", "default.s3.signature_version", "s3v4")
        url = aws.s3("presign", f"s3://{bucket}/report é+1.md").strip()
        trust = ["--cacert", endpoint.ca_file] if endpoint.ca_file else []
        assert aws.run(clients.curl(), "--silent", "--show-error", "--fail", *trust, url) == "# Report\n"
