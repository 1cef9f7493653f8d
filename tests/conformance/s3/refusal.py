"""How a test says that a request is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError


@contextmanager
def refused(code: str, status: int) -> Iterator[dict[str, Any]]:
    """The block's call is refused with that code and status; yields what the error document said, once it is there."""
    document: dict[str, Any] = {}
    with pytest.raises(ClientError) as caught:
        yield document
    response = caught.value.response
    document.update(response["Error"])
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
