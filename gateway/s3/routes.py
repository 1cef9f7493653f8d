"""THE table: every operation of S3 by method, target, query key and header, also those that are refused by name.

A unit test compares it with the service model in botocore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Target(Enum):
    """What the path of a request names."""

    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation, and the requests that mean it.

    `query` is a key (or `key=value`) that must be in the query string, `header` one that must be sent. Where
    several routes fit, the one higher in the table wins.
    """

    operation: str
    method: str
    target: Target
    query: str = ""
    header: str = ""


SERVICE, BUCKET, OBJECT = Target

TABLE: tuple[Route, ...] = (
    # --- service
    Route("ListDirectoryBuckets", "GET", SERVICE, "max-directory-buckets"),
    Route("ListBuckets", "GET", SERVICE),
    # --- bucket: GET
    Route("CreateSession", "GET", BUCKET, "session"),
    Route("GetBucketAbac", "GET", BUCKET, "abac"),
    Route("GetBucketAccelerateConfiguration", "GET", BUCKET, "accelerate"),
    Route("GetBucketAcl", "GET", BUCKET, "acl"),
    Route("GetBucketAnalyticsConfiguration", "GET", BUCKET, "analytics&id"),
    Route("ListBucketAnalyticsConfigurations", "GET", BUCKET, "analytics"),
    Route("GetBucketCors", "GET", BUCKET, "cors"),
    Route("GetBucketEncryption", "GET", BUCKET, "encryption"),
    Route("GetBucketIntelligentTieringConfiguration", "GET", BUCKET, "intelligent-tiering&id"),
    Route("ListBucketIntelligentTieringConfigurations", "GET", BUCKET, "intelligent-tiering"),
    Route("GetBucketInventoryConfiguration", "GET", BUCKET, "inventory&id"),
    Route("ListBucketInventoryConfigurations", "GET", BUCKET, "inventory"),
    Route("GetBucketLifecycleConfiguration", "GET", BUCKET, "lifecycle"),
    Route("GetBucketLocation", "GET", BUCKET, "location"),
    Route("GetBucketLogging", "GET", BUCKET, "logging"),
    Route("GetBucketMetadataConfiguration", "GET", BUCKET, "metadataConfiguration"),
    Route("GetBucketMetadataTableConfiguration", "GET", BUCKET, "metadataTable"),
    Route("GetBucketMetricsConfiguration", "GET", BUCKET, "metrics&id"),
    Route("ListBucketMetricsConfigurations", "GET", BUCKET, "metrics"),
    Route("GetBucketNotificationConfiguration", "GET", BUCKET, "notification"),
    Route("GetBucketOwnershipControls", "GET", BUCKET, "ownershipControls"),
    Route("GetBucketPolicy", "GET", BUCKET, "policy"),
    Route("GetBucketPolicyStatus", "GET", BUCKET, "policyStatus"),
    Route("GetBucketReplication", "GET", BUCKET, "replication"),
    Route("GetBucketRequestPayment", "GET", BUCKET, "requestPayment"),
    Route("GetBucketTagging", "GET", BUCKET, "tagging"),
    Route("GetBucketVersioning", "GET", BUCKET, "versioning"),
    Route("GetBucketWebsite", "GET", BUCKET, "website"),
    Route("GetObjectLockConfiguration", "GET", BUCKET, "object-lock"),
    Route("GetPublicAccessBlock", "GET", BUCKET, "publicAccessBlock"),
    Route("ListMultipartUploads", "GET", BUCKET, "uploads"),
    Route("ListObjectVersions", "GET", BUCKET, "versions"),
    Route("ListObjectsV2", "GET", BUCKET, "list-type=2"),
    Route("ListObjects", "GET", BUCKET),
    # --- bucket: HEAD, PUT, POST, DELETE
    Route("HeadBucket", "HEAD", BUCKET),
    Route("PutBucketAbac", "PUT", BUCKET, "abac"),
    Route("PutBucketAccelerateConfiguration", "PUT", BUCKET, "accelerate"),
    Route("PutBucketAcl", "PUT", BUCKET, "acl"),
    Route("PutBucketAnalyticsConfiguration", "PUT", BUCKET, "analytics"),
    Route("PutBucketCors", "PUT", BUCKET, "cors"),
    Route("PutBucketEncryption", "PUT", BUCKET, "encryption"),
    Route("PutBucketIntelligentTieringConfiguration", "PUT", BUCKET, "intelligent-tiering"),
    Route("PutBucketInventoryConfiguration", "PUT", BUCKET, "inventory"),
    Route("PutBucketLifecycleConfiguration", "PUT", BUCKET, "lifecycle"),
    Route("PutBucketLogging", "PUT", BUCKET, "logging"),
    Route("UpdateBucketMetadataAnnotationTableConfiguration", "PUT", BUCKET, "metadataAnnotationTable"),
    Route("UpdateBucketMetadataInventoryTableConfiguration", "PUT", BUCKET, "metadataInventoryTable"),
    Route("UpdateBucketMetadataJournalTableConfiguration", "PUT", BUCKET, "metadataJournalTable"),
    Route("PutBucketMetricsConfiguration", "PUT", BUCKET, "metrics"),
    Route("PutBucketNotificationConfiguration", "PUT", BUCKET, "notification"),
    Route("PutBucketOwnershipControls", "PUT", BUCKET, "ownershipControls"),
    Route("PutBucketPolicy", "PUT", BUCKET, "policy"),
    Route("PutBucketReplication", "PUT", BUCKET, "replication"),
    Route("PutBucketRequestPayment", "PUT", BUCKET, "requestPayment"),
    Route("PutBucketTagging", "PUT", BUCKET, "tagging"),
    Route("PutBucketVersioning", "PUT", BUCKET, "versioning"),
    Route("PutBucketWebsite", "PUT", BUCKET, "website"),
    Route("PutObjectLockConfiguration", "PUT", BUCKET, "object-lock"),
    Route("PutPublicAccessBlock", "PUT", BUCKET, "publicAccessBlock"),
    Route("CreateBucket", "PUT", BUCKET),
    Route("CreateBucketMetadataConfiguration", "POST", BUCKET, "metadataConfiguration"),
    Route("CreateBucketMetadataTableConfiguration", "POST", BUCKET, "metadataTable"),
    Route("DeleteObjects", "POST", BUCKET, "delete"),
    Route("PostObject", "POST", BUCKET),
    Route("DeleteBucketAnalyticsConfiguration", "DELETE", BUCKET, "analytics"),
    Route("DeleteBucketCors", "DELETE", BUCKET, "cors"),
    Route("DeleteBucketEncryption", "DELETE", BUCKET, "encryption"),
    Route("DeleteBucketIntelligentTieringConfiguration", "DELETE", BUCKET, "intelligent-tiering"),
    Route("DeleteBucketInventoryConfiguration", "DELETE", BUCKET, "inventory"),
    Route("DeleteBucketLifecycle", "DELETE", BUCKET, "lifecycle"),
    Route("DeleteBucketMetadataConfiguration", "DELETE", BUCKET, "metadataConfiguration"),
    Route("DeleteBucketMetadataTableConfiguration", "DELETE", BUCKET, "metadataTable"),
    Route("DeleteBucketMetricsConfiguration", "DELETE", BUCKET, "metrics"),
    Route("DeleteBucketOwnershipControls", "DELETE", BUCKET, "ownershipControls"),
    Route("DeleteBucketPolicy", "DELETE", BUCKET, "policy"),
    Route("DeleteBucketReplication", "DELETE", BUCKET, "replication"),
    Route("DeleteBucketTagging", "DELETE", BUCKET, "tagging"),
    Route("DeleteBucketWebsite", "DELETE", BUCKET, "website"),
    Route("DeletePublicAccessBlock", "DELETE", BUCKET, "publicAccessBlock"),
    Route("DeleteBucket", "DELETE", BUCKET),
    # Asked by browsers before a request that changes something; no operation of the SDKs.
    Route("PreflightRequest", "OPTIONS", BUCKET),
    # --- object
    Route("GetObjectAcl", "GET", OBJECT, "acl"),
    Route("GetObjectAnnotation", "GET", OBJECT, "annotation&annotationName"),
    Route("ListObjectAnnotations", "GET", OBJECT, "annotation"),
    Route("GetObjectAttributes", "GET", OBJECT, "attributes"),
    Route("GetObjectLegalHold", "GET", OBJECT, "legal-hold"),
    Route("GetObjectRetention", "GET", OBJECT, "retention"),
    Route("GetObjectTagging", "GET", OBJECT, "tagging"),
    Route("GetObjectTorrent", "GET", OBJECT, "torrent"),
    Route("ListParts", "GET", OBJECT, "uploadId"),
    Route("GetObject", "GET", OBJECT),
    Route("HeadObject", "HEAD", OBJECT),
    Route("PutObjectAcl", "PUT", OBJECT, "acl"),
    Route("PutObjectAnnotation", "PUT", OBJECT, "annotation"),
    Route("UpdateObjectEncryption", "PUT", OBJECT, "encryption"),
    Route("PutObjectLegalHold", "PUT", OBJECT, "legal-hold"),
    Route("RenameObject", "PUT", OBJECT, "renameObject"),
    Route("PutObjectRetention", "PUT", OBJECT, "retention"),
    Route("PutObjectTagging", "PUT", OBJECT, "tagging"),
    Route("UploadPartCopy", "PUT", OBJECT, "uploadId", "x-amz-copy-source"),
    Route("UploadPart", "PUT", OBJECT, "uploadId"),
    Route("CopyObject", "PUT", OBJECT, header="x-amz-copy-source"),
    Route("PutObject", "PUT", OBJECT),
    Route("CreateMultipartUpload", "POST", OBJECT, "uploads"),
    Route("CompleteMultipartUpload", "POST", OBJECT, "uploadId"),
    Route("RestoreObject", "POST", OBJECT, "restore"),
    Route("SelectObjectContent", "POST", OBJECT, "select"),
    Route("WriteGetObjectResponse", "POST", OBJECT, header="x-amz-request-route"),
    Route("DeleteObjectAnnotation", "DELETE", OBJECT, "annotation"),
    Route("DeleteObjectTagging", "DELETE", OBJECT, "tagging"),
    Route("AbortMultipartUpload", "DELETE", OBJECT, "uploadId"),
    Route("DeleteObject", "DELETE", OBJECT),
    Route("PreflightRequest", "OPTIONS", OBJECT),
)

BEYOND_THE_MODEL = frozenset({"PostObject", "PreflightRequest"})
"""Operations of S3 that no SDK has and botocore's model therefore does not name."""

SUPERSEDED: Mapping[str, str] = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
"""Operations that the model keeps under an old name; on the wire they are the newer ones."""


def find(method: str, target: Target, query: Mapping[str, str], headers: Mapping[str, str]) -> str | None:
    """The operation that a request means; None where S3 has none for this method and target.

    Query keys that name no operation are ignored, as S3 does.
    """
    choice = _CHOICES.get((method, target))
    if choice is None:
        return None
    rows = choice.unkeyed
    for key in query:
        rows = rows + choice.by_key.get(key, ())
    fitting = [row for row in rows if row.fits(query, headers)]
    return min(fitting).operation if fitting else choice.otherwise


@dataclass(frozen=True, slots=True, order=True)
class _Row:
    """A route with a condition, as `find` looks at it. The one with the lowest rank stands highest in the table."""

    rank: int
    operation: str
    keys: tuple[tuple[str, str], ...]
    header: str

    def fits(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return all(key in query and (not value or query[key] == value) for key, value in self.keys) and (
            not self.header or self.header in headers
        )


@dataclass(frozen=True, slots=True)
class _Choice:
    """The routes of one method on one target: by their first query key, those that need only a header, and the rest."""

    by_key: Mapping[str, tuple[_Row, ...]]
    unkeyed: tuple[_Row, ...]
    otherwise: str | None


def _choice(method: str, target: Target) -> _Choice:
    by_key: dict[str, tuple[_Row, ...]] = {}
    otherwise = None
    for rank, route in enumerate(TABLE):
        if (route.method, route.target) != (method, target):
            continue
        if not route.query and not route.header:
            otherwise = route.operation
            continue
        parts = [part.partition("=") for part in route.query.split("&")] if route.query else []
        row = _Row(rank, route.operation, tuple((key, value) for key, _, value in parts), route.header)
        first = row.keys[0][0] if row.keys else ""
        by_key[first] = (*by_key.get(first, ()), row)
    unkeyed = by_key.pop("", ())
    return _Choice(by_key, unkeyed, otherwise)


_CHOICES = {
    (method, target): _choice(method, target) for method, target in {(route.method, route.target) for route in TABLE}
}
