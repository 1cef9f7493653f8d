"""ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.s3.refusal import refused
from tests.wire.requester import Requester


def test_create_head_list_delete(s3: Any, bucket_name: str) -> None:
    created = s3.create_bucket(Bucket=bucket_name)
    assert created["Location"] == f"/{bucket_name}"
    assert s3.head_bucket(Bucket=bucket_name)["BucketRegion"]
    assert bucket_name in [found["Name"] for found in s3.list_buckets()["Buckets"]]
    assert s3.delete_bucket(Bucket=bucket_name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with refused("404", 404):
        s3.head_bucket(Bucket=bucket_name)


def test_creating_ones_own_bucket_again_succeeds(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    put("kept")
    s3.create_bucket(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_a_name_that_another_account_has(alt_s3: Any, bucket: str) -> None:
    with refused("BucketAlreadyExists", 409):
        alt_s3.create_bucket(Bucket=bucket)


def test_buckets_of_others_are_closed(alt_s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    put("key")
    with refused("AccessDenied", 403):
        alt_s3.list_objects_v2(Bucket=bucket)
    with refused("AccessDenied", 403):
        alt_s3.get_object(Bucket=bucket, Key="key")
    with refused("AccessDenied", 403):
        alt_s3.put_object(Bucket=bucket, Key="key", Body=b"")
    with refused("AccessDenied", 403):
        alt_s3.delete_object(Bucket=bucket, Key="key")
    with refused("AccessDenied", 403):
        alt_s3.delete_bucket(Bucket=bucket)
    assert bucket not in [found["Name"] for found in alt_s3.list_buckets()["Buckets"]]


def test_a_bucket_that_holds_something_stays(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    put("key")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="key")
    s3.delete_bucket(Bucket=bucket)


def test_a_bucket_that_is_not_there(s3: Any, bucket_name: str) -> None:
    for call in (s3.list_objects_v2, s3.list_objects, s3.delete_bucket, s3.get_bucket_location, s3.get_bucket_acl):
        with refused("NoSuchBucket", 404) as document:
            call(Bucket=bucket_name)
        assert document["BucketName"] == bucket_name
    with refused("NoSuchBucket", 404):
        s3.put_object(Bucket=bucket_name, Key="key", Body=b"")


@pytest.mark.parametrize(
    "name", ["ab", "x" * 64, "Upper", "under_score", "-hyphen", "hyphen-", "two..dots", "192.168.1.1", "xn--a", "a%20b"]
)
def test_names_that_s3_refuses(wire: Requester, name: str) -> None:
    refusal = wire.request("PUT", f"/{name}")
    assert (refusal.status, refusal.code) == (400, "InvalidBucketName")


def test_location(s3: Any, bucket: str) -> None:
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None


def test_a_foreign_location_is_refused(s3: Any, bucket_name: str) -> None:
    with refused("IllegalLocationConstraintException", 400):
        s3.create_bucket(Bucket=bucket_name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    with refused("404", 404):
        s3.head_bucket(Bucket=bucket_name)


@pytest.mark.parametrize("body", [b"nonsense", b"<Other/>", b"<CreateBucketConfiguration>"])
def test_a_malformed_configuration(wire: Requester, bucket_name: str, body: bytes) -> None:
    refusal = wire.request("PUT", f"/{bucket_name}", body=body)
    assert (refusal.status, refusal.code) == (400, "MalformedXML")
    assert wire.request("HEAD", f"/{bucket_name}").status == 404


def test_buckets_are_listed_in_pages(s3: Any, bucket_name: str) -> None:
    names = [f"{bucket_name}-{letter}" for letter in "abc"]
    for name in names:
        s3.create_bucket(Bucket=name)
    pages = s3.get_paginator("list_buckets").paginate(Prefix=f"{bucket_name}-", PaginationConfig={"PageSize": 2})
    sizes = []
    for page in pages:
        sizes.append([found["Name"] for found in page["Buckets"]])
        assert page["Prefix"] == f"{bucket_name}-"
    assert sizes == [names[:2], names[2:]]


@pytest.mark.parametrize("said", ["0", "10001", "x", "-1"])
def test_a_page_of_buckets_has_bounds(wire: Requester, said: str) -> None:
    refusal = wire.request("GET", f"/?max-buckets={said}")
    assert (refusal.status, refusal.code) == (400, "InvalidArgument")


def test_trailing_slash(wire: Requester, bucket: str) -> None:
    assert b"<ListBucketResult" in wire.request("GET", f"/{bucket}/").body


def test_only_those_canned_acls_that_change_nothing(s3: Any, bucket_name: str) -> None:
    s3.create_bucket(Bucket=bucket_name, ACL="private")
    with refused("AccessControlListNotSupported", 400):
        s3.create_bucket(Bucket=bucket_name + "-public", ACL="public-read")
