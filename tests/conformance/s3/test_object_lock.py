"""Object Lock: what is locked stays, by every way there is to remove it, and a lock only ever gets longer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conformance.s3.refusal import refused
from tests.wire.requester import Requester

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
LATER = SOON + timedelta(days=1)


@pytest.fixture
def locked(s3: Any, bucket_name: str) -> str:
    """A new bucket with Object Lock."""
    s3.create_bucket(Bucket=bucket_name, ObjectLockEnabledForBucket=True)
    return bucket_name


@pytest.fixture
def write(s3: Any, locked: str) -> Callable[..., str]:
    """Put an object into the locked bucket; returns its version."""

    def write(key: str = "key", **arguments: Any) -> str:
        return str(s3.put_object(Bucket=locked, Key=key, Body=b"data", **arguments)["VersionId"])

    return write


def _default(mode: str, **period: int) -> dict[str, Any]:
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, **period}}}


def _retention(mode: str, until: datetime) -> dict[str, Any]:
    return {"Mode": mode, "RetainUntilDate": until}


def test_configuration(s3: Any, locked: str) -> None:
    get = lambda: s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]  # noqa: E731
    assert get() == {"ObjectLockEnabled": "Enabled"}
    for configuration in (_default("GOVERNANCE", Days=1), _default("COMPLIANCE", Years=2)):
        s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=configuration)
        assert get() == configuration
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    assert get() == {"ObjectLockEnabled": "Enabled"}


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        (_default("GOVERNANCE", Days=1, Years=1), "MalformedXML"),
        (_default("GOVERNANCE"), "MalformedXML"),
        (_default("abc", Days=1), "MalformedXML"),
        (_default("GOVERNANCE", Days=0), "InvalidRetentionPeriod"),
        (_default("GOVERNANCE", Years=-1), "InvalidRetentionPeriod"),
        ({"ObjectLockEnabled": "Disabled"}, "MalformedXML"),
    ],
)
def test_configurations_that_cannot_be(s3: Any, locked: str, configuration: dict[str, Any], code: str) -> None:
    with refused(code, 400):
        s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=configuration)


def test_a_bucket_gets_object_lock_once_it_has_versions(s3: Any, bucket: str) -> None:
    configuration = _default("GOVERNANCE", Days=1)
    with refused("InvalidBucketState", 409):
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    s3.put_object(Bucket=bucket, Key="key", Body=b"data")
    assert s3.head_object(Bucket=bucket, Key="key")["ObjectLockMode"] == "GOVERNANCE"
    with refused("InvalidBucketState", 409):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def test_a_bucket_without_object_lock_takes_none(s3: Any, bucket: str, put: Callable[..., Any]) -> None:
    put("key")
    where = {"Bucket": bucket, "Key": "key"}
    for ask in (
        lambda: put("other", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=SOON),
        lambda: put("other", ObjectLockLegalHoldStatus="ON"),
        lambda: s3.create_multipart_upload(Bucket=bucket, Key="other", ObjectLockLegalHoldStatus="ON"),
        lambda: s3.put_object_retention(**where, Retention=_retention("GOVERNANCE", SOON)),
        lambda: s3.get_object_retention(**where),
        lambda: s3.put_object_legal_hold(**where, LegalHold={"Status": "ON"}),
        lambda: s3.get_object_legal_hold(**where),
    ):
        with refused("InvalidRequest", 400):
            ask()
    assert [line["Key"] for line in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["key"]


def _put(s3: Any, bucket: str, **arguments: Any) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"data", **arguments)


def _copy(s3: Any, bucket: str, **arguments: Any) -> None:
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": SOON}
    s3.put_object(Bucket=bucket, Key="source", Body=b"data", **lock)
    s3.copy_object(Bucket=bucket, Key="key", CopySource={"Bucket": bucket, "Key": "source"}, **arguments)


def _upload(s3: Any, bucket: str, **arguments: Any) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key", **arguments)["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="key", UploadId=upload, PartNumber=1, Body=b"data")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="key", UploadId=upload, MultipartUpload=parts)


@pytest.mark.parametrize("way", [_put, _copy, _upload])
@pytest.mark.parametrize("hold", [{}, {"ObjectLockLegalHoldStatus": "OFF"}, {"ObjectLockLegalHoldStatus": "ON"}])
def test_the_default_is_stamped_at_every_write(
    s3: Any, locked: str, way: Callable[..., None], hold: dict[str, str]
) -> None:
    """A legal hold, on or off, does not keep the default away; nor does the way of the bytes."""
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=_default("COMPLIANCE", Days=3))
    way(s3, locked, **hold)
    version = s3.head_object(Bucket=locked, Key="key")
    assert version["ObjectLockMode"] == "COMPLIANCE"
    kept = version["ObjectLockRetainUntilDate"] - version["LastModified"]
    assert timedelta(days=3) <= kept <= timedelta(days=3, seconds=2)
    assert version.get("ObjectLockLegalHoldStatus", "OFF") == hold.get("ObjectLockLegalHoldStatus", "OFF")
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="key", VersionId=version["VersionId"], BypassGovernanceRetention=True)


@pytest.mark.parametrize("way", [_put, _copy, _upload])
def test_the_request_says_more_than_the_default(s3: Any, locked: str, way: Callable[..., None]) -> None:
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=_default("COMPLIANCE", Days=3))
    way(s3, locked, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=LATER)
    version = s3.head_object(Bucket=locked, Key="key")
    assert (version["ObjectLockMode"], version["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", LATER)
    s3.delete_object(Bucket=locked, Key="key", VersionId=version["VersionId"], BypassGovernanceRetention=True)


def test_a_copy_takes_no_lock_along(s3: Any, locked: str) -> None:
    _copy(s3, locked)
    assert "ObjectLockMode" not in s3.head_object(Bucket=locked, Key="key")


@pytest.mark.parametrize(
    "arguments",
    [
        {"ObjectLockMode": "GOVERNANCE"},
        {"ObjectLockRetainUntilDate": SOON},
        {"ObjectLockMode": "governance", "ObjectLockRetainUntilDate": SOON},
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime(2020, 1, 1, tzinfo=UTC)},
        {"ObjectLockLegalHoldStatus": "on"},
    ],
)
def test_headers_that_cannot_be(s3: Any, locked: str, arguments: dict[str, Any]) -> None:
    with refused("InvalidArgument", 400):
        s3.put_object(Bucket=locked, Key="key", Body=b"data", **arguments)
    assert "Versions" not in s3.list_object_versions(Bucket=locked)


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_what_is_locked_stays(s3: Any, locked: str, write: Callable[..., str], mode: str) -> None:
    version_id = write(ObjectLockMode=mode, ObjectLockRetainUntilDate=SOON)
    with refused("AccessDenied", 403) as document:
        s3.delete_object(Bucket=locked, Key="key", VersionId=version_id)
    assert mode in document["Message"]
    free = write("free")
    answer = s3.delete_objects(
        Bucket=locked,
        Delete={"Objects": [{"Key": "key", "VersionId": version_id}, {"Key": "free", "VersionId": free}]},
    )
    assert [line["Code"] for line in answer["Errors"]] == ["AccessDenied"]
    assert [line["Key"] for line in answer["Deleted"]] == ["free"]
    # An overwrite and a delete marker only lie above it; the marker can go again.
    write()
    marker = s3.delete_object(Bucket=locked, Key="key")["VersionId"]
    s3.delete_object(Bucket=locked, Key="key", VersionId=marker)
    assert s3.get_object(Bucket=locked, Key="key", VersionId=version_id)["Body"].read() == b"data"


def test_compliance_only_gets_longer(s3: Any, locked: str, write: Callable[..., str]) -> None:
    where = {"Bucket": locked, "Key": "key", "BypassGovernanceRetention": True}
    write(ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=SOON)
    for less in (
        _retention("COMPLIANCE", SOON - timedelta(hours=1)),
        _retention("GOVERNANCE", SOON),
        _retention("GOVERNANCE", LATER),
        {},
    ):
        with refused("AccessDenied", 403):
            s3.put_object_retention(**where, Retention=less)
        assert s3.get_object_retention(Bucket=locked, Key="key")["Retention"] == _retention("COMPLIANCE", SOON)
    for until in (SOON, LATER):
        s3.put_object_retention(**where, Retention=_retention("COMPLIANCE", until))
        assert s3.get_object_retention(Bucket=locked, Key="key")["Retention"] == _retention("COMPLIANCE", until)


def test_governance_gives_way_to_who_asks(s3: Any, locked: str, write: Callable[..., str]) -> None:
    where = {"Bucket": locked, "Key": "key"}
    write(ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=SOON)
    s3.put_object_retention(**where, Retention=_retention("GOVERNANCE", LATER))
    for change in (_retention("GOVERNANCE", SOON), _retention("COMPLIANCE", LATER), {}):
        with refused("AccessDenied", 403):
            s3.put_object_retention(**where, Retention=change)
    s3.put_object_retention(**where, Retention=_retention("GOVERNANCE", SOON), BypassGovernanceRetention=True)
    assert s3.get_object_retention(**where)["Retention"] == _retention("GOVERNANCE", SOON)
    s3.put_object_retention(**where, Retention={}, BypassGovernanceRetention=True)
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_retention(**where)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<Retention><Mode>GOVERNANCE</Mode></Retention>", "MalformedXML"),
        (b"<Retention><RetainUntilDate>2090-01-01T00:00:00Z</RetainUntilDate></Retention>", "MalformedXML"),
        (
            b"<Retention><Mode>X</Mode><RetainUntilDate>2090-01-01T00:00:00Z</RetainUntilDate></Retention>",
            "MalformedXML",
        ),
        (b"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>soon</RetainUntilDate></Retention>", "MalformedXML"),
        (
            b"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2020-01-01T00:00:00Z</RetainUntilDate></Retention>",
            "InvalidArgument",
        ),
    ],
)
def test_retentions_that_cannot_be(
    wire: Requester, locked: str, write: Callable[..., str], body: bytes, code: str
) -> None:
    write()
    refusal = wire.request("PUT", f"/{locked}/key?retention", body=body)
    assert (refusal.status, refusal.code) == (400, code)


def test_a_legal_hold_outlasts_everything(s3: Any, locked: str, write: Callable[..., str]) -> None:
    version_id = write()
    where = {"Bucket": locked, "Key": "key"}
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_legal_hold(**where)
    for status in ("ON", "ON", "OFF", "OFF", "ON"):
        s3.put_object_legal_hold(**where, LegalHold={"Status": status})
        assert s3.get_object_legal_hold(**where)["LegalHold"] == {"Status": status}
    with refused("AccessDenied", 403) as document:
        s3.delete_object(**where, VersionId=version_id, BypassGovernanceRetention=True)
    assert "s3-legal-hold" in document["Message"]
    s3.put_object_legal_hold(**where, LegalHold={"Status": "OFF"})
    s3.delete_object(**where, VersionId=version_id)


def test_one_version_among_others(s3: Any, locked: str, write: Callable[..., str]) -> None:
    first, second = write(), write()
    retention = _retention("GOVERNANCE", SOON)
    s3.put_object_retention(Bucket=locked, Key="key", VersionId=first, Retention=retention)
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_retention(Bucket=locked, Key="key", VersionId=second)
    s3.delete_object(Bucket=locked, Key="key", VersionId=second)
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="key", VersionId=first)


def test_anothers_account_cannot_lock(alt_s3: Any, locked: str, write: Callable[..., str]) -> None:
    write()
    with refused("AccessDenied", 403):
        alt_s3.put_object_retention(Bucket=locked, Key="key", Retention=_retention("GOVERNANCE", SOON))
    with refused("AccessDenied", 403):
        alt_s3.put_object_legal_hold(Bucket=locked, Key="key", LegalHold={"Status": "ON"})


def test_a_finalized_package_says_what_holds(s3: Any, locked: str, write: Callable[..., str]) -> None:
    """The package's term counts beside the file's own lock, and no bypass reaches it."""
    version_id = write("run/file")
    s3.put_object(Bucket=locked, Key="run/.artifact/finalize", Body=b"")
    where = {"Bucket": locked, "Key": "run/file"}
    term = s3.head_object(**where)["ObjectLockRetainUntilDate"]
    assert s3.get_object_retention(**where)["Retention"] == _retention("COMPLIANCE", term)
    s3.put_object_retention(**where, Retention=_retention("GOVERNANCE", SOON))
    assert s3.get_object_retention(**where)["Retention"]["Mode"] == "COMPLIANCE"
    with refused("AccessDenied", 403):
        s3.delete_object(**where, VersionId=version_id, BypassGovernanceRetention=True)
