from __future__ import annotations

from tests.clients.client import OwnLibrary
from tests.clients.suite import Suite


class Aiobotocore(OwnLibrary):
    program = "aiobotocore_files.py"


class TestAiobotocore(Suite):
    client = Aiobotocore
