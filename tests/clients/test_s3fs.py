from __future__ import annotations

from tests.clients.client import Library
from tests.clients.suite import Suite


class S3FS(Library):
    program = "s3fs_files.py"


class TestS3FS(Suite):
    client = S3FS
