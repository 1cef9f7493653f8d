from __future__ import annotations

from tests.clients.client import Library
from tests.clients.suite import Suite


class Obstore(Library):
    program = "obstore_files.py"


class TestObstore(Suite):
    client = Obstore
