"""What stock clients ask of a bucket before they do anything with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.s3.refusal import refused
from tests.wire.requester import Requester


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("get_bucket_policy", "NoSuchBucketPolicy"),
        ("get_bucket_tagging", "NoSuchTagSet"),
        ("get_bucket_cors", "NoSuchCORSConfiguration"),
        ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
        ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
        ("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
        ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("get_bucket_website", "NoSuchWebsiteConfiguration"),
        ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
    ],
)
def test_what_is_not_configured(s3: Any, bucket: str, operation: str, code: str) -> None:
    with refused(code, 404):
        getattr(s3, operation)(Bucket=bucket)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("get_bucket_versioning", {}),
        ("get_bucket_policy_status", {"PolicyStatus": {"IsPublic": False}}),
        ("get_bucket_request_payment", {"Payer": "BucketOwner"}),
        ("get_bucket_accelerate_configuration", {}),
        ("get_bucket_logging", {}),
        ("get_bucket_notification_configuration", {}),
        (
            "get_bucket_ownership_controls",
            {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
        ),
    ],
)
def test_what_is_as_it_is(s3: Any, bucket: str, operation: str, expected: dict[str, Any]) -> None:
    answer = getattr(s3, operation)(Bucket=bucket)
    del answer["ResponseMetadata"]
    assert answer == expected


def test_the_owner_has_full_control(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    put("key")
    owner = s3.list_buckets()["Owner"]
    for answer in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="key")):
        assert answer["Owner"]["ID"] == owner["ID"]
        (grant,) = answer["Grants"]
        assert (grant["Permission"], grant["Grantee"]["ID"]) == ("FULL_CONTROL", owner["ID"])


def test_no_tags(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    put("key")
    assert s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"] == []
    with refused("NoSuchKey", 404):
        s3.get_object_tagging(Bucket=bucket, Key="other")


@pytest.mark.parametrize(
    ("method", "query", "name"),
    [
        ("PUT", "website", "PutBucketWebsite"),
        ("GET", "analytics&id=1", "GetBucketAnalyticsConfiguration"),
        ("PUT", "replication", "PutBucketReplication"),
        ("GET", "session", "CreateSession"),
    ],
)
def test_what_is_not_done_is_refused_by_name(wire: Requester, bucket: str, method: str, query: str, name: str) -> None:
    refusal = wire.request(method, f"/{bucket}?{query}")
    assert (refusal.status, refusal.code) == (501, "NotImplemented")
    assert name.encode() in refusal.body
