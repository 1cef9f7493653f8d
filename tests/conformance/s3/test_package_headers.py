"""What HEAD tells of a package's retention and holds: the registry's own, in S3's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_head_tells_how_long_a_file_is_kept(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="run/a", Body=b"1", Metadata={"retention-class": "summary-evidence"})
    before = s3.head_object(Bucket=bucket, Key="run/a")
    assert 'rule-id="summary-evidence"' in before["Expiration"]
    assert "ObjectLockMode" not in before
    s3.put_object(Bucket=bucket, Key="run/.artifact/finalize", Body=b"")
    after = s3.head_object(Bucket=bucket, Key="run/a")
    assert after["ObjectLockMode"] == "COMPLIANCE"
    until = after["ObjectLockRetainUntilDate"] - datetime.now(UTC)
    assert timedelta(days=364) < until <= timedelta(days=365)
    with pytest.raises(ClientError, match="summary-evidence"):
        s3.delete_object(Bucket=bucket, Key="run/a")


def test_what_never_ends_has_a_date_that_clients_can_read(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="run/a", Body=b"1", Metadata={"retention-class": "permanent-record"})
    s3.put_object(Bucket=bucket, Key="run/.artifact/finalize", Body=b"")
    head = s3.head_object(Bucket=bucket, Key="run/a")
    assert head["ObjectLockRetainUntilDate"].year == 9999
    assert "Expiration" not in head
