"""What a webhook is sent: a signed message of Standard Webhooks (https://www.standardwebhooks.com).

The body is either the registry's own, or shaped like S3's notifications, so that what was written for a bucket's
notifications works here too:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from registry.clock import SECOND
from registry.timestamps import format_timestamp

TEST = "webhook.test"
"""The type of the event that a test sends."""

S3_EVENTS: Mapping[str, str] = {
    "file.put": "ObjectCreated:Put",
    "file.copy": "ObjectCreated:Copy",
    "file.deleted": "ObjectRemoved:Delete",
}
"""S3's names of what happens to files; it has none for the rest."""

_MARKED = "ObjectRemoved:DeleteMarkerCreated"
_PREFIX = "whsec_"


def new_secret() -> str:
    """A secret as receivers' libraries take it: 32 random bytes in base64 behind `whsec_`."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(message_id: str, secret: str, body: bytes, now: int) -> dict[str, str]:
    """The headers of a message. The id stays the same when it is sent again, so that a receiver can tell."""
    timestamp = str(now // SECOND)
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def registry_body(event_type: str, at: int, data: Mapping[str, Any]) -> bytes:
    """An event in the registry's own shape."""
    return _dump({"type": event_type, "timestamp": format_timestamp(at), "data": data})


def s3_body(row: Mapping[str, Any], payload: Mapping[str, Any], *, region: str) -> bytes:
    """An event about a file in the shape of S3's notifications.

    `row` has type, at, place and webhook_id, and of the repository versioning and owner_id (None where it is gone).
    """
    marked = bool(payload.get("marker"))
    described: dict[str, Any] = {"key": quote_plus(payload["key"], safe="/")}
    if row["type"] != "file.deleted":
        described |= {"size": payload["size"], "eTag": payload["etag"]}
    if row["versioning"] not in {None, "off"}:
        described["versionId"] = payload["version_id"]
    # Compared as text, a greater one is later.
    described["sequencer"] = f"{row['place']:016X}"
    bucket = payload["repository"]
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": format_timestamp(row["at"]),
        "eventName": _MARKED if marked else S3_EVENTS[row["type"]],
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": row["webhook_id"],
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": row["owner_id"] or ""},
                "arn": f"arn:aws:s3:::{bucket}",
            },
            "object": described,
        },
    }
    return _dump({"Records": [record]})


def s3_test_body(at: int, repository: str | None) -> bytes:
    """What S3 sends to try a destination."""
    said = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": format_timestamp(at), "Bucket": repository or ""}
    return _dump(said)


def _dump(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
