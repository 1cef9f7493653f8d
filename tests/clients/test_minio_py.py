from __future__ import annotations

from tests.clients.client import Library
from tests.clients.suite import Suite


class MinioPy(Library):
    program = "minio_files.py"


class TestMinioPy(Suite):
    client = MinioPy
