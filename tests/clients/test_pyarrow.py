from __future__ import annotations

from tests.clients.client import Library
from tests.clients.suite import Suite


class PyArrow(Library):
    program = "pyarrow_files.py"
    wrong_secret = "SIGNATURE_DOES_NOT_MATCH"
    unknown_key = "INVALID_ACCESS_KEY_ID"


class TestPyArrow(Suite):
    client = PyArrow
