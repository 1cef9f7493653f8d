"""S3 and REST are two ways to the same facts."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.rest.rest import Rest

FILES = {"a.txt": b"first", "dir/b.bin": b"\0" * 1000, "dir/é.json": b"{}"}


@pytest.fixture
def pushed(s3: Any, repository: str) -> str:
    """A package pushed and finalized with S3 alone; the path of it by REST is found by name."""
    described = {"run_id": "r-7", "labels": {"team": "cmis"}, "retention_class": "summary-evidence"}
    s3.put_object(Bucket=repository, Key="run-7/.artifact/package.json", Body=json.dumps(described).encode())
    for path, body in FILES.items():
        s3.put_object(Bucket=repository, Key=f"run-7/{path}", Body=body, ContentType="text/x-test")
    sums = "".join(f"{hashlib.sha256(body).hexdigest()}  {path}\n" for path, body in FILES.items())
    s3.put_object(Bucket=repository, Key="run-7/.artifact/SHA256SUMS", Body=sums.encode())
    return "run-7"


def get(s3: Any, bucket: str, key: str) -> bytes:
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def test_what_s3_pushes_rest_tells(rest: Rest, s3: Any, repository: str, pushed: str) -> None:
    [package] = rest.items(f"/packages?repository={repository}&name={pushed}")
    path = f"/packages/{package['id']}"
    assert (package["status"], package["file_count"], package["labels"]) == ("finalized", 3, {"team": "cmis"})
    assert (package["metadata"], package["retention_class"]) == ({"run_id": "r-7"}, "summary-evidence")
    assert rest.items("/packages?metadata.run_id=r-7&labels.team=cmis&repository=" + repository) == [package]

    manifest = get(s3, repository, f"{pushed}/.artifact/manifest.json")
    assert rest.send("GET", f"{path}/manifest").body == manifest
    assert hashlib.sha256(manifest).hexdigest() == package["manifest_sha256"]
    assert rest.call("GET", f"{path}/SHA256SUMS").splitlines() == sorted(
        get(s3, repository, f"{pushed}/.artifact/SHA256SUMS").splitlines(), key=lambda line: line[66:]
    )
    listed = {file["path"]: file for file in rest.items(f"{path}/files")}
    assert listed.keys() == FILES.keys()
    for name, body in FILES.items():
        head = s3.head_object(Bucket=repository, Key=f"{pushed}/{name}")
        file = listed[name]
        assert rest.call("GET", f"{path}/files/{name.replace('é', '%C3%A9')}") == body
        assert (file["size"], file["media_type"]) == (head["ContentLength"], head["ContentType"])
        assert f'"{file["etag"]}"' == head["ETag"]
        assert file["sha256"] == hashlib.sha256(body).hexdigest()
        assert file["created_by"] == "rest-main"

    kept = rest.call("GET", f"{path}/retention")
    head = s3.head_object(Bucket=repository, Key=f"{pushed}/a.txt")
    until = head["ObjectLockRetainUntilDate"]
    assert abs((datetime.fromisoformat(kept["expires_at"]) - until).total_seconds()) < 1


def test_what_rest_freezes_s3_cannot_change(rest: Rest, s3: Any, repository: str, finalized: str) -> None:
    assert rest.call("GET", finalized)["status"] == "finalized"
    before = get(s3, repository, "run-42/a.txt")
    for change in (
        lambda: s3.put_object(Bucket=repository, Key="run-42/a.txt", Body=b"other"),
        lambda: s3.put_object(Bucket=repository, Key="run-42/new.txt", Body=b"other"),
        lambda: s3.delete_object(Bucket=repository, Key="run-42/a.txt"),
        lambda: s3.delete_bucket(Bucket=repository),
    ):
        with pytest.raises(ClientError):
            change()
    assert get(s3, repository, "run-42/a.txt") == before
    by_s3 = [entry for entry in rest.items(f"{finalized}/history") if entry["outcome"] == "denied"]
    assert {entry["action"] for entry in by_s3} == {"file.put", "file.delete"}


def test_a_hold_of_rest_stops_s3_and_says_why(rest: Rest, s3: Any, repository: str, package: str) -> None:
    s3.put_object(Bucket=repository, Key="run-42/a", Body=b"x")
    hold = {
        "package_id": package.removeprefix("/packages/"),
        "name": "litigation",
        "reason": "case 7 needs it",
        "case_ref": "case-7",
    }
    placed = rest.call("POST", "/holds", status=201, content=hold)
    with pytest.raises(ClientError, match="case 7 needs it") as refused:
        s3.delete_object(Bucket=repository, Key="run-42/a")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert s3.head_object(Bucket=repository, Key="run-42/a")["ObjectLockLegalHoldStatus"] == "ON"
    rest.call("POST", f"/holds/{placed['id']}/release", content={"reason": "closed"})
    s3.delete_object(Bucket=repository, Key="run-42/a")
    history = [entry["action"] for entry in rest.items(f"{package}/history")]
    assert history == ["file.delete", "hold.release", "file.delete", "hold.place", "file.put", "package.create"]


def test_repositories_are_buckets(rest: Rest, s3: Any, stranger: Rest, repository: str) -> None:
    assert repository in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    s3.create_bucket(Bucket=f"{repository}-b")
    assert rest.call("GET", f"/repositories/{repository}-b")["owner"] == "rest-main"
    stranger.refused("GET", f"/repositories/{repository}", "access_denied")
    rest.call("DELETE", f"/repositories/{repository}-b", status=204)
    assert f"{repository}-b" not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}


def test_the_whole_audit_as_lines(root: Rest, rest: Rest, repository: str, finalized: str) -> None:
    answer = root.send("GET", f"/audit/export?repository={repository}&limit=2")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert lines == root.items(f"/audit?repository={repository}")
    assert [line["action"] for line in reversed(lines)][:3] == ["repository.create", "package.create", "file.put"]
    assert lines[0]["action"] == "package.finalize"
    half = root.send("GET", f"/audit/export?repository={repository}&after={lines[1]['id']}")
    assert [json.loads(line) for line in half.body.splitlines()] == lines[2:]
    assert rest.items(f"{finalized}/history")[0] == lines[0]
