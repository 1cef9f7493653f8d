"""A disk that is full: every way of writing is refused with the reason, nothing changes, and the server goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import StartServer

ROOM = 4 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def refusal(operation: Any, **parameters: Any) -> ClientError:
    with pytest.raises(ClientError) as refused:
        operation(**parameters)
    return refused.value


def test_a_full_disk_refuses_and_changes_nothing(start_server: StartServer, small_disk: Path) -> None:
    server = start_server(store_url=f"file://{small_disk}/blobs")
    s3 = boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(retries={"max_attempts": 1}),
    )
    s3.create_bucket(Bucket="evidence")
    s3.put_object(Bucket="evidence", Key="run/before", Body=b"before")
    announced = refusal(s3.put_object, Bucket="evidence", Key="run/before", Body=os.urandom(2 * ROOM))
    assert announced.response["Error"]["Code"] == "InsufficientStorage"
    assert announced.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert "room" in announced.response["Error"]["Message"]
    upload = s3.create_multipart_upload(Bucket="evidence", Key="run/parts")["UploadId"]
    part = {"Bucket": "evidence", "Key": "run/parts", "UploadId": upload, "PartNumber": 1}
    assert refusal(s3.upload_part, **part, Body=os.urandom(2 * ROOM)).response["Error"]["Code"] == "InsufficientStorage"

    filler = small_disk / "filler"
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    filler.write_bytes(bytes(free))
    small = refusal(s3.put_object, Bucket="evidence", Key="run/small", Body=os.urandom(40_000))
    assert small.response["Error"]["Code"] == "InsufficientStorage"
    assert [found["Key"] for found in s3.list_objects_v2(Bucket="evidence")["Contents"]] == ["run/before"]
    assert s3.get_object(Bucket="evidence", Key="run/before")["Body"].read() == b"before"

    filler.unlink()
    s3.put_object(Bucket="evidence", Key="run/small", Body=b"room again")
    assert s3.get_object(Bucket="evidence", Key="run/small")["Body"].read() == b"room again"
    server.stop()
