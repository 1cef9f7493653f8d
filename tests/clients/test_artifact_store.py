"""A run becomes a package with `artifact-store push`, and equally with nothing but `aws s3 cp`."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.profiles import PROFILES
from gateway.cli.tree import PART, hashed, scan
from tests.clients.artifact_store import ArtifactStore
from tests.clients.client import ClientFailedError, Endpoint
from tests.clients.test_aws_cli import AwsCli
from tests.fixtures import guide_board, trees
from tests.services import clients
from tests.services.certificate import Certificate
from tests.services.server import Server

RUNS: Mapping[str, Callable[[Path], Path]] = {
    "completed": partial(guide_board.write, stdout_size=2000),
    "failing": partial(guide_board.write, failing=True, stdout_size=2000),
    "awkward": partial(guide_board.write, awkward=True, stdout_size=2000),
}


@pytest.fixture
def endpoint(plain: Endpoint) -> Endpoint:
    """HTTP alone: what the command does is the same over TLS, and TLS has a test of its own."""
    return plain


@pytest.fixture
def store(server: Server) -> ArtifactStore:
    return ArtifactStore(server)


@pytest.fixture
def aws(plain: Endpoint, tmp_path: Path) -> AwsCli:
    (tmp_path / "home").mkdir()
    return AwsCli(plain, tmp_path / "home")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A few small files."""
    directory = tmp_path / "tree"
    trees.write_small_files(directory, 5)
    return directory


def rest(server: Server, path: str) -> Any:
    """The bytes of an answer, or its document."""
    keys = base64.b64encode(f"{server.access_key}:{server.secret_key}".encode()).decode()
    request = urllib.request.Request(f"{server.registry_url}/api/v1{path}", headers={"Authorization": f"Basic {keys}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def push_with_aws(aws: AwsCli, run: Path, target: str, work: Path) -> None:
    """The life of a package with S3 tools alone: describe, fill, finalize."""
    described = PROFILES["guide-board"](run)
    said = {**described.metadata, "producer": described.producer, "retention_class": described.retention_class}
    (work / "package.json").write_text(json.dumps(said))
    aws.s3("cp", "--no-progress", work / "package.json", f"{target}/.artifact/package.json")
    aws.s3("cp", "--no-progress", "--recursive", run, target)
    listing = subprocess.run(
        ["bash", "-euc", "find . -type f -print0 | sort -z | xargs -0 sha256sum"],
        cwd=run,
        stdout=subprocess.PIPE,
        check=True,
    )
    (work / "SHA256SUMS").write_bytes(listing.stdout)
    aws.s3("cp", "--no-progress", work / "SHA256SUMS", f"{target}/.artifact/SHA256SUMS")


class TestARun:
    """Manifest, retention and history, read with S3 tools, with REST and with the CLI, all tell the same."""

    @pytest.mark.parametrize("way", ["artifact-store push", "aws s3 cp"])
    @pytest.mark.parametrize("kind", RUNS)
    def test_every_face_tells_the_same(
        self,
        kind: str,
        way: str,
        store: ArtifactStore,
        aws: AwsCli,
        server: Server,
        bucket: str,
        tmp_path: Path,
        s3: Any,
    ) -> None:
        run = RUNS[kind](tmp_path)
        name, target = run.name, f"s3://{bucket}/{run.name}"
        if way == "aws s3 cp":
            push_with_aws(aws, run, target, tmp_path)
        else:
            store.run("push", run, f"s3://{bucket}", "--profile", "guide-board")
        package = store.json("package", "show", target)
        identity = package["id"]

        manifest = aws.run(*_cat(aws, f"{target}/.artifact/manifest.json"))
        assert rest(server, f"/packages/{identity}/manifest").decode() == manifest
        assert store.run("package", "manifest", f"{bucket}/{name}").stdout == manifest
        told = json.loads(manifest)
        assert hashlib.sha256(manifest.encode()).hexdigest() == package["manifest_sha256"]
        assert {file["path"]: file["sha256"] for file in told["files"]} == trees.digests(run)
        described = PROFILES["guide-board"](run)
        assert told["metadata"] == package["metadata"] == described.metadata
        assert (told["producer"], told["retention"]["class"]) == ("guide-board", "summary-evidence")
        assert told["package"] == {
            "id": identity,
            "repository": bucket,
            "name": name,
            "revision": 1,
            "previous": None,
        }

        assert json.loads(rest(server, f"/packages/{identity}")) == {
            field: value for field, value in package.items() if field != "holds"
        }
        retention = json.loads(rest(server, f"/packages/{identity}/retention"))
        assert told["retention"] == {"class": retention["retention_class"], "expires_at": retention["expires_at"]}
        assert package["expires_at"] == retention["expires_at"]
        head = s3.head_object(Bucket=bucket, Key=f"{name}/run.json")
        assert head["ObjectLockRetainUntilDate"].strftime("%Y-%m-%dT%H:%M:%S") == retention["expires_at"][:19]

        history = json.loads(rest(server, f"/packages/{identity}/history?limit=1000"))["items"]
        assert store.json("package", "history", identity) == history
        assert store.json("audit", "--package", identity) == history
        actions = [entry["action"] for entry in history]
        assert actions[0] == "package.finalize"
        assert actions.count("file.put") == len(trees.sizes(run))
        first = aws.run(*_cat(aws, f"{target}/.artifact/revisions/1/manifest.json"))
        assert first == manifest

    def test_both_ways_make_the_same_package(
        self, store: ArtifactStore, aws: AwsCli, bucket: str, tmp_path: Path
    ) -> None:
        run = RUNS["awkward"](tmp_path)
        push_with_aws(aws, run, f"s3://{bucket}/by-aws", tmp_path)
        store.run("push", run, f"s3://{bucket}/by-push", "--profile", "guide-board")
        manifests = [
            json.loads(store.run("package", "manifest", f"{bucket}/{name}").stdout) for name in ("by-aws", "by-push")
        ]
        one, other = ({**manifest, "files": _content(manifest)} for manifest in manifests)
        for differing in ("package", "finalized_at"):
            assert one.pop(differing) != other.pop(differing)
        assert one.pop("retention")["class"] == other.pop("retention")["class"]
        assert one == other

    def test_a_copy_is_proven_by_stock_tools(
        self, store: ArtifactStore, aws: AwsCli, bucket: str, tmp_path: Path
    ) -> None:
        run = RUNS["awkward"](tmp_path)
        store.run("push", run, f"s3://{bucket}/run", "--profile", "guide-board")
        copy = tmp_path / "copy"
        aws.s3("sync", "--no-progress", f"s3://{bucket}/run", copy)
        check = ["sha256sum", "--check", "--strict", ".artifact/SHA256SUMS"]
        checked = subprocess.run(check, cwd=copy, capture_output=True, text=True, check=True)
        assert checked.stdout.count(": OK") == len(trees.sizes(run))
        store.run("verify", copy)
        _flip(copy / "reports" / "report.md")
        assert subprocess.run(check, cwd=copy, capture_output=True, check=False).returncode == 1
        differences = json.loads(store.run("verify", copy, "--json", exit_code=1).stdout)["differences"]
        assert [(one["path"], one["kind"]) for one in differences] == [("reports/report.md", "digest")]


class TestPush:
    def test_the_last_line_is_for_a_hub(
        self, store: ArtifactStore, server: Server, bucket: str, tmp_path: Path
    ) -> None:
        run = RUNS["failing"](tmp_path)
        lines = store.run("push", run, f"s3://{bucket}", "--profile", "guide-board").stdout.splitlines()
        link = json.loads(lines[-1])
        package = store.json("package", "show", f"{bucket}/{run.name}")
        size = sum(trees.sizes(run).values())
        assert link == {
            "schema": "artifact-store.link.v1",
            "package_id": package["id"],
            "repository": bucket,
            "name": run.name,
            "status": "finalized",
            "revision": 1,
            "manifest_sha256": package["manifest_sha256"],
            "file_count": len(trees.sizes(run)),
            "size": size,
            "retention_class": "summary-evidence",
            "expires_at": package["expires_at"],
            "location": f"s3://{bucket}/{run.name}/",
            "url": f"{server.registry_url}/api/v1/packages/{package['id']}",
            "sent": {"file_count": len(trees.sizes(run)), "size": size},
            "run_id": run.name,
            "result_status": "infrastructure_error",
            "evidence_counts": {"infrastructure_error": 1, "pass": 1, "warning": 1},
            "finding_counts": package["metadata"]["finding_counts"],
        }
        assert any(package["id"] in line for line in lines[:-1])

    def test_a_second_push_sends_nothing(self, store: ArtifactStore, bucket: str, tree: Path) -> None:
        first = store.json("push", tree, f"s3://{bucket}/run")
        before = store.json("audit", "--repository", bucket)
        again = store.json("push", tree, f"s3://{bucket}/run")
        assert again == {**first, "sent": {"file_count": 0, "size": 0}}
        assert store.json("audit", "--repository", bucket) == before

    def test_what_is_said_of_a_package(self, store: ArtifactStore, bucket: str, tree: Path, tmp_path: Path) -> None:
        (tmp_path / "more.json").write_text('{"build": {"number": 7}, "branch": "old"}')
        store.run(
            *("push", tree, "--repository", bucket, "--package", "run", "--retention-class", "transient"),
            *("--metadata-file", tmp_path / "more.json", "--metadata", "branch=main", "--label", "team=cmis"),
            *("--producer", "ci"),
        )
        package = store.json("package", "show", f"{bucket}/run")
        assert package["metadata"] == {"build": {"number": 7}, "branch": "main"}
        assert (package["labels"], package["producer"]) == ({"team": "cmis"}, "ci")
        assert package["retention_class"] == "transient"
        words = ("package", "list", "--repository", bucket)
        assert store.json(*words, "--metadata", "build.number=7", "--label", "team=cmis")[0]["id"] == package["id"]
        assert store.json(*words, "--metadata", "branch=old") == []

    def test_an_interrupted_push_is_taken_up(self, store: ArtifactStore, bucket: str, tmp_path: Path, s3: Any) -> None:
        trees.write_small_files(tmp_path / "tree", 200)
        pushing = store.start("push", tmp_path / "tree", f"s3://{bucket}/run", "--jobs", 1)
        try:
            deadline = time.monotonic() + 60
            while (there := s3.list_objects_v2(Bucket=bucket)["KeyCount"]) < 20:
                assert time.monotonic() < deadline
                assert pushing.poll() is None, "it was not interrupted"
        finally:
            pushing.kill()
            pushing.wait()
        sent = store.json("push", tmp_path / "tree", f"s3://{bucket}/run")["sent"]["file_count"]
        assert 0 < sent <= 200 - there
        store.run("pull", f"s3://{bucket}/run", tmp_path / "copy")
        store.run("verify", tmp_path / "copy")

    def test_a_large_file_is_taken_up_where_it_stopped(
        self, store: ArtifactStore, server: Server, bucket: str, large: Path, tmp_path: Path, s3: Any
    ) -> None:
        [file] = scan(large, "run")[0]
        second = hashed(file).slices[1]
        content = (large / file.path).read_bytes()[PART:]
        key = f"run/{file.path}"
        begun = s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
        checksum = base64.b64encode(bytes.fromhex(second.sha256)).decode()
        s3.upload_part(Bucket=bucket, Key=key, UploadId=begun, PartNumber=2, Body=content, ChecksumSHA256=checksum)
        store.run("push", large, f"s3://{bucket}/run")
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
        store.run("pull", f"s3://{bucket}/run", tmp_path / "copy")
        assert trees.digests(large)[file.path] == trees.digest(tmp_path / "copy" / file.path)

    def test_late_files(self, store: ArtifactStore, bucket: str, tree: Path, tmp_path: Path) -> None:
        first = store.json("push", tree, f"s3://{bucket}/run")
        (tree / "scorecard.md").write_text("late\n")
        assert store.refused("push", tree, f"s3://{bucket}/run") == (
            f"Package {bucket}/run is finalized, and 1 file here is not in it: scorecard.md. "
            "Push with --amend to add it as the next revision."
        )
        second = store.json("push", tree, f"s3://{bucket}/run", "--amend")
        assert (second["revision"], second["sent"]["file_count"]) == (2, 1)
        assert store.json("push", tree, f"s3://{bucket}/run")["sent"]["file_count"] == 0
        manifest = json.loads(store.run("package", "manifest", f"{bucket}/run").stdout)
        assert manifest["package"]["previous"] == first["manifest_sha256"]
        old = store.run("package", "manifest", f"{bucket}/run", "--revision", 1).stdout
        assert hashlib.sha256(old.encode()).hexdigest() == first["manifest_sha256"]
        digests = [revision["manifest_sha256"] for revision in store.json("package", "revisions", f"{bucket}/run")]
        assert digests == [first["manifest_sha256"], second["manifest_sha256"]]
        pulled = store.json("pull", f"s3://{bucket}/run", tmp_path / "old", "--revision", 1)
        assert (pulled["file_count"], pulled["manifest_sha256"]) == (5, first["manifest_sha256"])

    def test_an_interrupted_amendment_is_taken_up(self, store: ArtifactStore, bucket: str, tree: Path, s3: Any) -> None:
        store.run("push", tree, f"s3://{bucket}/run")
        (tree / "late").write_text("late\n")
        store.run("package", "amend", f"{bucket}/run")
        s3.put_object(Bucket=bucket, Key="run/late", Body=b"late\n")
        link = store.json("push", tree, f"s3://{bucket}/run", "--amend")
        assert (link["revision"], link["sent"]["file_count"]) == (2, 0)

    def test_a_finalized_file_never_changes(self, store: ArtifactStore, bucket: str, tree: Path) -> None:
        store.run("push", tree, f"s3://{bucket}/run")
        (tree / "000" / "00001.dat").write_text("changed")
        for more in ((), ("--amend",)):
            told = store.refused("push", tree, f"s3://{bucket}/run", *more)
            assert "its files never change: 000/00001.dat differ here" in told

    def test_an_open_package_with_other_files(self, store: ArtifactStore, bucket: str, tree: Path, s3: Any) -> None:
        link = store.json("push", tree, f"s3://{bucket}/run", "--no-finalize")
        assert (link["status"], link["manifest_sha256"]) == ("uploading", None)
        s3.put_object(Bucket=bucket, Key="run/other", Body=b"x")
        assert f"Package {bucket}/run holds what {tree} does not: other." in store.refused(
            "push", tree, f"s3://{bucket}/run"
        )
        assert store.json("push", tree, f"s3://{bucket}/run", "--no-finalize")["sent"]["file_count"] == 0
        assert store.json("package", "finalize", f"{bucket}/run")["file_count"] == 6

    def test_over_tls(self, tls_server: Server, tree: Path, tmp_path: Path, certificate: Certificate) -> None:
        store = ArtifactStore(tls_server)
        AwsCli(Endpoint.of(tls_server), tmp_path).s3("mb", "s3://pushed-over-tls")
        store.run("push", tree, "s3://pushed-over-tls/run")
        store.run("pull", "s3://pushed-over-tls/run", tmp_path / "copy")
        store.environment["AWS_CA_BUNDLE"] = ""
        assert "No registry answers" in store.refused("package", "list", exit_code=3)


class TestPull:
    @pytest.fixture
    def pushed(self, store: ArtifactStore, bucket: str, tree: Path) -> str:
        (tree / "twin").write_bytes((tree / "000" / "00001.dat").read_bytes())
        (tree / "empty").touch()
        store.run("push", tree, f"s3://{bucket}/run")
        return f"s3://{bucket}/run"

    def test_a_second_pull_fetches_nothing(self, store: ArtifactStore, pushed: str, tree: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        assert store.json("pull", pushed, copy)["fetched"]["file_count"] == 7
        assert {path: digest for path, digest in trees.digests(copy).items() if ".artifact" not in path} == (
            trees.digests(tree)
        )
        (copy / "twin").unlink()
        package = store.json("package", "show", pushed)["id"]
        assert store.json("pull", package, copy)["fetched"]["file_count"] == 1
        assert sorted(path.name for path in (copy / ".artifact").iterdir()) == ["SHA256SUMS", "manifest.json"]

    def test_a_file_is_taken_up_where_it_stopped(
        self, store: ArtifactStore, bucket: str, large: Path, tmp_path: Path
    ) -> None:
        store.run("push", large, f"s3://{bucket}/run")
        copy, (path,) = tmp_path / "copy", trees.sizes(large)
        partial = (
            copy
            / ".artifact"
            / "partial"
            / hashlib.sha256(f"{trees.digest(large / path)}  {path}".encode()).hexdigest()
        )
        partial.parent.mkdir(parents=True)
        partial.write_bytes((large / path).read_bytes()[:1000])
        store.run("pull", f"s3://{bucket}/run", copy)
        assert trees.digest(copy / path) == trees.digest(large / path)
        # Had it begun anew, what lay there would not have mattered.
        (copy / path).unlink()
        partial.parent.mkdir()
        partial.write_bytes(b"\0" * 1000)
        assert f"{path} did not come as the manifest says" in store.refused("pull", f"s3://{bucket}/run", copy)
        store.run("pull", f"s3://{bucket}/run", copy)
        assert trees.digest(copy / path) == trees.digest(large / path)

    def test_other_files_are_not_replaced_unasked(self, store: ArtifactStore, pushed: str, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / "twin").write_text("mine")
        assert f"{copy} has other files under these names: twin." in store.refused("pull", pushed, copy)
        assert (copy / "twin").read_text() == "mine"
        store.run("pull", pushed, copy, "--replace")
        store.run("verify", copy)

    @pytest.mark.parametrize("there", ["link", "file"])
    def test_nothing_is_written_elsewhere(self, store: ArtifactStore, pushed: str, tmp_path: Path, there: str) -> None:
        copy, elsewhere = tmp_path / "copy", tmp_path / "elsewhere"
        copy.mkdir()
        elsewhere.mkdir()
        if there == "link":
            (copy / "000").symlink_to(elsewhere)
        else:
            (copy / "000").touch()
        told = store.refused("pull", pushed, copy, "--replace")
        assert "cannot hold 000/00000.dat" in told
        assert list(elsewhere.iterdir()) == []

    def test_a_manifest_is_held_to_its_digest(self, store: ArtifactStore, pushed: str, tmp_path: Path) -> None:
        digest = store.json("package", "show", pushed)["manifest_sha256"]
        store.run("pull", pushed, tmp_path / "copy", "--digest", digest)
        told = store.refused("pull", pushed, tmp_path / "other", "--digest", "0" * 64)
        assert f"its SHA-256 is {digest}" in told
        assert not (tmp_path / "other").exists()

    def test_what_is_not_finalized(self, store: ArtifactStore, bucket: str, tree: Path, tmp_path: Path) -> None:
        store.run("push", tree, f"s3://{bucket}/open", "--no-finalize")
        told = store.refused("pull", f"s3://{bucket}/open", tmp_path / "copy")
        assert told.startswith(f"{bucket}/open has no manifest to prove a copy with: it is not finalized")
        assert "no revision 3" in store.refused("pull", f"s3://{bucket}/open", tmp_path / "copy", "--revision", 3)
        assert "names a repository" in store.refused("pull", f"s3://{bucket}", tmp_path / "copy", exit_code=2)


class TestLife:
    """Retention, holds, deletion, audit: by the command."""

    @pytest.fixture
    def pushed(self, store: ArtifactStore, bucket: str, tree: Path) -> str:
        store.run("push", tree, f"s3://{bucket}/run", "--retention-class", "transient")
        return f"{bucket}/run"

    def test_retention_grows(self, store: ArtifactStore, pushed: str) -> None:
        before = store.json("package", "show", pushed)["expires_at"]
        extended = store.json("retention", "extend", pushed, "--for", "10d", "--reason", "under review")["expires_at"]
        assert before < extended
        until = "2051-01-01T00:00:00.000000Z"
        assert store.json("retention", "extend", pushed, "--until", until, "--reason", "x")["expires_at"] == until
        changed = store.json("retention", "change", pushed, "permanent-record", "--reason", "kept for ever")
        assert (changed["retention_class"], changed["expires_at"]) == ("permanent-record", None)
        told = store.run("retention", "eligible", pushed, exit_code=1).stdout
        assert "permanent-record" in told
        names = [one["name"] for one in store.json("retention", "classes")]
        assert names[0] == "transient"
        assert names[-1] == "permanent-record"
        assert store.json("retention", "term", "transient", "8d")["term"] == "P8D"
        assert store.json("retention", "term", "transient", "P7D")["term"] == "P7D"

    def test_holds(self, store: ArtifactStore, pushed: str) -> None:
        words = ("--name", "case-7", "--reason", "disputed", "--case", "LEGAL-7")
        hold = store.json("hold", "place", pushed, *words)
        file = store.json("hold", "place", pushed, *words, "--file", "000/00001.dat")
        assert hold["package_id"]
        assert file["version_id"]
        assert store.json("package", "show", pushed)["holds"] == [hold]
        assert "held by" in store.run("package", "show", pushed).stdout
        assert [one["id"] for one in store.json("hold", "list", pushed, "--active")] == [hold["id"]]
        assert {one["id"] for one in store.json("hold", "list", "--case", "LEGAL-7")} >= {hold["id"], file["id"]}
        answer = json.loads(store.run("retention", "eligible", pushed, "--json", exit_code=1).stdout)
        assert {reason["kind"] for reason in answer["reasons"]} == {"retention", "hold"}
        told = store.refused("package", "delete", pushed, "--reason", "tidy up")
        assert "case-7" in told
        assert "is retained until" in told
        released = store.json("hold", "release", hold["id"], "--reason", "settled")
        assert released["release_reason"] == "settled"
        assert store.json("hold", "list", pushed, "--released") == [released]
        assert "has no file nothing" in store.refused("hold", "place", pushed, *words, "--file", "nothing")

    def test_deleted_and_restored(self, store: ArtifactStore, bucket: str, tree: Path) -> None:
        store.run("push", tree, f"s3://{bucket}/open", "--no-finalize")
        first = store.json("package", "delete", f"{bucket}/open", "--reason", "a trial")
        assert first["status"] == "deleted"
        assert store.refused("package", "show", f"{bucket}/open") == f"There is no package {bucket}/open."
        assert store.json("package", "list", "--repository", bucket) == []
        restored = store.json("package", "restore", f"{bucket}/open")
        assert (restored["id"], restored["status"]) == (first["id"], "uploading")
        store.run("package", "delete", f"{bucket}/open", "--reason", "a trial")
        store.run("push", tree, f"s3://{bucket}/open", "--no-finalize")
        store.run("package", "delete", f"{bucket}/open", "--reason", "another")
        told = store.refused("package", "restore", f"{bucket}/open")
        assert "name one by its id" in told
        assert first["id"] in told
        assert store.json("package", "restore", first["id"])["status"] == "uploading"

    def test_audit(self, store: ArtifactStore, pushed: str, bucket: str) -> None:
        store.refused("package", "delete", pushed, "--reason", "too early")
        [denied] = store.json("audit", "--repository", bucket, "--outcome", "denied")
        assert (denied["action"], denied["resource"]) == ("package.delete", "run")
        assert len(store.json("audit", "--repository", bucket, "--limit", 2)) == 2
        lines = store.run("audit", "--package", pushed, "--ndjson").stdout.splitlines()
        assert [json.loads(line) for line in lines] == store.json("audit", "--package", pushed)
        assert "package.finalize" in store.run("package", "history", pushed).stdout

    def test_tables_for_people(self, store: ArtifactStore, pushed: str, bucket: str) -> None:
        for words, told in {
            ("package", "list", "--repository", bucket): f"{bucket}/run",
            ("package", "files", pushed): "000/00001.dat",
            ("package", "revisions", pushed): "root",
            ("package", "show", pushed): "transient, until ",
            ("hold", "list", "--repository", bucket): "reason",
            ("retention", "eligible", "--repository", bucket): "is retained until",
            ("retention", "plan", "--repository", bucket): "expired",
            ("retention", "classes"): "for ever",
            ("audit", "--repository", bucket, "--limit", "3"): "package.finalize",
        }.items():
            assert told in store.run(*words).stdout
        assert store.json("package", "files", pushed)[0]["path"] == "000/00000.dat"
        assert store.json("retention", "plan", "--repository", bucket) == []


class TestBadInput:
    """An explanation that names what is wrong and how to mend it."""

    @pytest.fixture
    def open_package(self, store: ArtifactStore, bucket: str, tree: Path) -> str:
        store.run("push", tree, f"s3://{bucket}/open", "--no-finalize")
        return f"{bucket}/open"

    def test_an_unknown_class_before_a_byte_is_sent(
        self, store: ArtifactStore, bucket: str, tree: Path, aws: AwsCli
    ) -> None:
        told = store.refused("push", tree, f"s3://{bucket}/run", "--retention-class", "for-ever")
        assert "for-ever" in told
        assert "raw-evidence" in told, "the classes there are"
        assert aws.listing(bucket, "") == {}

    def test_an_extension_into_the_past_or_without_a_reason(self, store: ArtifactStore, open_package: str) -> None:
        extend = ("retention", "extend", open_package)
        told = store.refused(*extend, "--until", "2001-01-01T00:00:00Z", "--reason", "x")
        assert "2001" in told
        assert "later" in told
        assert "tomorrow" in store.refused(*extend, "--until", "tomorrow", "--reason", "x")
        assert "no unit" in store.refused(*extend, "--for", "30", "--reason", "x")
        assert "Missing option '--reason'" in store.run(*extend, "--for", "30d", exit_code=2).stderr
        assert "reason" in store.refused(*extend, "--for", "30d", "--reason", " ")
        assert "Give either --until or --for" in store.run(*extend, "--reason", "x", exit_code=2).stderr

    def test_a_hold_without_reason(self, store: ArtifactStore, open_package: str) -> None:
        place = ("hold", "place", open_package, "--name")
        assert "Missing option '--reason'" in store.run(*place, "case-7", exit_code=2).stderr
        assert "reason" in store.refused(*place, "case-7", "--reason", "")
        assert "name" in store.refused(*place, "case 7", "--reason", "x")

    def test_finalizing_an_empty_package(self, store: ArtifactStore, server: Server, bucket: str) -> None:
        keys = base64.b64encode(f"{server.access_key}:{server.secret_key}".encode()).decode()
        wanted = json.dumps({"repository": bucket, "name": "empty"}).encode()
        headers = {"Authorization": f"Basic {keys}", "Content-Type": "application/json"}
        url = f"{server.registry_url}/api/v1/packages"
        urllib.request.urlopen(urllib.request.Request(url, wanted, headers), timeout=60).close()
        assert "has no files: there is nothing to finalize" in store.refused("package", "finalize", f"{bucket}/empty")

    def test_sums_that_list_what_is_not_there(
        self, store: ArtifactStore, aws: AwsCli, open_package: str, tmp_path: Path
    ) -> None:
        sums = tmp_path / "SHA256SUMS"
        sums.write_text(f"{'0' * 64}  nothing\n")
        told = store.refused("package", "finalize", open_package, "--sums", sums)
        assert "1 listed but not there (nothing)" in told
        assert "5 there but not listed (000/00000.dat, " in told
        with pytest.raises(ClientFailedError, match=r"1 listed but not there \(nothing\)"):
            aws.s3("cp", sums, f"s3://{open_package}/.artifact/SHA256SUMS")
        sums.write_text("not a digest\n")
        assert "line 1" in store.refused("package", "finalize", open_package, "--sums", sums)

    def test_metadata_too_large_or_not_json(
        self, store: ArtifactStore, aws: AwsCli, bucket: str, tree: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "metadata.json"
        file.write_text(json.dumps({"text": "x" * 300_000}))
        told = store.refused("push", tree, f"s3://{bucket}/run", "--metadata-file", file)
        assert "at most 262144" in told
        file.write_text("{")
        with pytest.raises(ClientFailedError, match=r"package.json is not JSON"):
            aws.s3("cp", file, f"s3://{bucket}/run/.artifact/package.json")

    def test_a_key_of_the_registry_that_is_not_ours(self, aws: AwsCli, bucket: str, tree: Path) -> None:
        with pytest.raises(ClientFailedError, match=r"the registry's own: 'manifest\.json' cannot be written"):
            aws.s3("cp", tree / "000" / "00000.dat", f"s3://{bucket}/run/.artifact/manifest.json")

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("..", "no segment of a package name is '.', '..' or '.artifact'"),
            ("two\nlines", "without control characters"),
            ("a/b", "has 1 segment, not 2"),
            ("x" * 2000, "at most 512 bytes"),
        ],
    )
    def test_names_that_no_package_can_have(
        self, store: ArtifactStore, bucket: str, tmp_path: Path, name: str, told: str
    ) -> None:
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "f").touch()
        refused = store.run("push", tmp_path / "tree", f"s3://{bucket}/{name}", exit_code=2).stderr
        assert told in refused

    def test_what_does_not_exist(self, store: ArtifactStore, bucket: str, tree: Path) -> None:
        assert store.refused("package", "show", f"{bucket}/nothing") == f"There is no package {bucket}/nothing."
        assert "pkg_nothing" in store.refused("package", "show", "pkg_nothing")
        assert "names no package" in store.refused("package", "show", "nothing", exit_code=2)
        assert "does not exist" in store.refused("push", tree, "s3://no-such-repository/run")

    def test_keys_that_are_not_accepted(self, store: ArtifactStore, bucket: str, tree: Path, tmp_path: Path) -> None:
        store.environment["AWS_SECRET_ACCESS_KEY"] = "wrong"
        store.refused("package", "list", exit_code=3)
        store.refused("push", tree, f"s3://{bucket}/run", exit_code=3)
        assert "SignatureDoesNotMatch" in store.refused("pull", f"s3://{bucket}/run", tmp_path / "copy", exit_code=3)

    def test_nobody_is_there(self, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        store.environment |= {"ARTIFACT_STORE_URL": "http://127.0.0.1:1", "ARTIFACT_STORE_S3_URL": "http://127.0.0.1:1"}
        monkeypatch.setattr("gateway.cli.api._DELAYS", ())
        monkeypatch.setattr("gateway.cli.s3._DELAYS", ())
        assert "No registry answers at http://127.0.0.1:1" in store.refused("package", "list", exit_code=3)
        assert "No S3 endpoint answers" in store.refused("pull", "s3://evidence/run", tmp_path / "copy", exit_code=3)
        store.environment["ARTIFACT_STORE_URL"] = "127.0.0.1:9001"
        assert "is not an address of a registry" in store.refused("package", "list", exit_code=2)


def _cat(aws: AwsCli, address: str) -> tuple[object, ...]:
    return clients.aws(), "--endpoint-url", aws.endpoint.url, "s3", "cp", "--no-progress", address, "-"


def _content(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files without what is of this one package."""
    return [{name: value for name, value in file.items() if name != "version_id"} for file in manifest["files"]]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
