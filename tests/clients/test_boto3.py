from __future__ import annotations

from tests.clients.client import OwnLibrary
from tests.clients.suite import Suite


class Boto3(OwnLibrary):
    program = "boto3_files.py"


class TestBoto3(Suite):
    client = Boto3
