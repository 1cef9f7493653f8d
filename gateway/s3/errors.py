"""Every error of the S3 face: S3's code, its HTTP status, and which refusal of which room it stands for.

Codes and messages: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from gateway.auth import errors as wire
from registry import errors as domain

_NONE: Mapping[str, str] = MappingProxyType({})

CODES: Mapping[str, tuple[int, str]] = {
    "AccessControlListNotSupported": (400, "The bucket does not allow ACLs."),
    "AccessDenied": (403, "Access Denied"),
    "AccessForbidden": (
        403,
        (
            "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request "
            "method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the "
            "resource's CORS spec."
        ),
    ),
    "AuthorizationHeaderMalformed": (400, "The authorization header you provided is invalid."),
    "AuthorizationQueryParametersError": (400, "The query parameters of the presigned URL are not right."),
    "BadDigest": (400, "The digest or checksum you specified did not match what we received."),
    "BadRequest": (400, "The request is not well-formed HTTP."),
    "BucketAlreadyExists": (
        409,
        (
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
            "Please select a different name and try again."
        ),
    ),
    "BucketAlreadyOwnedByYou": (
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty"),
    "ConditionalRequestConflict": (
        409,
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
    ),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size"),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed size"),
    "IllegalLocationConstraintException": (
        400,
        "The location constraint is incompatible for the region specific endpoint this request was sent to.",
    ),
    "IncompleteBody": (400, "You did not provide the number of bytes specified by the Content-Length HTTP header"),
    "InsufficientStorage": (503, "There is no room for the bytes. Nothing was stored."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidBucketState": (409, "The request is not valid with the current state of the bucket."),
    "InvalidChunkSizeError": (403, "Only the last chunk is allowed to have a size less than 8192 bytes"),
    "InvalidDigest": (400, "The Content-MD5 you specified is not valid."),
    "InvalidPart": (
        400,
        (
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
            "specified entity tag may not match the part's entity tag."
        ),
    ),
    "InvalidPartNumber": (416, "The requested partnumber is not satisfiable"),
    "InvalidPartOrder": (
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "InvalidRequest": (400, "Invalid Request"),
    "InvalidRetentionPeriod": (400, "The retention period must be a positive integer value."),
    "InvalidStorageClass": (400, "The storage class you specified is not valid"),
    "InvalidTag": (400, "The tag provided was not a valid tag."),
    "InvalidURI": (400, "Couldn't parse the specified URI."),
    "KeyTooLongError": (400, "Your key is too long"),
    "MalformedTrailerError": (400, "The trailer of the request is not the one that was declared."),
    "MalformedXML": (
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "MaxMessageLengthExceeded": (400, "Your request was too big."),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size"),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "MissingRequestBodyError": (400, "Request body is empty."),
    "MissingSecurityHeader": (400, "Your request was missing a required header."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchBucketPolicy": (404, "The bucket policy does not exist"),
    "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist"),
    "NoSuchObjectLockConfiguration": (404, "The specified object does not have a ObjectLock configuration"),
    "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found"),
    "NoSuchTagSet": (404, "The TagSet does not exist"),
    "NoSuchUpload": (
        404,
        (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
            "or completed."
        ),
    ),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration"),
    "NotImplemented": (501, "A header or query you provided implies functionality that is not implemented."),
    "ObjectLockConfigurationNotFoundError": (404, "Object Lock configuration does not exist for this bucket"),
    "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found"),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    "ReplicationConfigurationNotFoundError": (404, "The replication configuration was not found"),
    "RequestHeaderSectionTooLarge": (400, "Your request header section exceeds the maximum allowed size."),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the server's time is too large."),
    "RequestTimeout": (
        400,
        (
            "Your socket connection to the server was not read from or written to within the timeout period. "
            "Idle connections will be closed."
        ),
    ),
    "ServerSideEncryptionConfigurationNotFoundError": (
        404,
        "The server side encryption configuration was not found",
    ),
    "ServiceUnavailable": (503, "The service is unavailable just now. Please try again."),
    "SignatureDoesNotMatch": (403, "The request signature we calculated does not match the one you provided."),
    "SlowDown": (503, "Please reduce your request rate."),
    "TooManyBuckets": (400, "You have attempted to create more buckets than allowed"),
    "XAmzContentSHA256Mismatch": (
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
}
"""HTTP status and message of each code that this face answers with."""


class S3Error(Exception):
    """A refusal in S3's words. `fields` are the extra elements of its document, `headers` those of its answer."""

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        headers: Mapping[str, str] = _NONE,
        fields: Mapping[str, str] = _NONE,
    ) -> None:
        self.status, usual = CODES[code]
        self.code = code
        self.message = message or usual
        self.headers = headers
        self.fields = fields
        super().__init__(f"{code}: {self.message}")


def invalid_argument(name: str, value: str, message: str) -> S3Error:
    """The refusal of one header, query parameter or element, naming it."""
    return S3Error("InvalidArgument", message, fields={"ArgumentName": name, "ArgumentValue": value})


def not_implemented(what: str) -> S3Error:
    """The refusal of something of S3 that this server does not do, by its name."""
    message = f"A header or query you provided implies functionality that is not implemented: {what}."
    return S3Error("NotImplemented", message)


def translate(error: Exception) -> S3Error:
    """The S3 error that stands for any exception; for one that is nobody's refusal, InternalError."""
    if isinstance(error, S3Error):
        return error
    if isinstance(error, wire.RequestRefused):
        return S3Error(error.code, error.message, fields=error.details)
    for kind in type(error).__mro__:
        if row := DOMAIN.get(kind):
            return row(error) if callable(row) else S3Error(row, str(error.args[0]) if error.args else "")
    return S3Error("InternalError")


def _delete_marker(error: domain.DeleteMarkerError) -> S3Error:
    headers = {"x-amz-delete-marker": "true", "x-amz-version-id": error.version_id}
    if error.by_id:
        return S3Error("MethodNotAllowed", headers=headers, fields={"Method": "GET", "ResourceType": "DeleteMarker"})
    return S3Error("NoSuchKey", error.message, headers=headers, fields={"Key": error.key})


def _digest_mismatch(error: domain.DigestMismatchError) -> S3Error:
    if error.kind == "sha256":
        return S3Error(
            "XAmzContentSHA256Mismatch",
            fields={
                "ClientComputedContentSHA256": error.expected,
                "S3ComputedContentSHA256": error.actual,
            },
        )
    kind = "Content-MD5" if error.kind == "md5" else error.kind
    return S3Error(
        "BadDigest",
        f"The {kind} you specified did not match the calculated checksum.",
        fields={"ExpectedDigest": error.expected, "CalculatedDigest": error.actual},
    )


DOMAIN: Mapping[type[BaseException], str | Callable[[Any], S3Error]] = {
    domain.AccessDeniedError: "AccessDenied",
    domain.UnknownAccessKeyError: "InvalidAccessKeyId",
    domain.AccountNotFoundError: "InvalidArgument",
    domain.AccountExistsError: "InvalidArgument",
    domain.AccessKeyExistsError: "InvalidArgument",
    domain.AccessKeyNotFoundError: "InvalidArgument",
    domain.RepositoryNotFoundError: lambda error: S3Error("NoSuchBucket", fields={"BucketName": error.name}),
    domain.RepositoryExistsError: lambda error: S3Error("BucketAlreadyExists", fields={"BucketName": error.name}),
    domain.RepositoryOwnedError: lambda error: S3Error("BucketAlreadyOwnedByYou", fields={"BucketName": error.name}),
    domain.RepositoryNotEmptyError: "BucketNotEmpty",
    domain.InvalidRepositoryNameError: "InvalidBucketName",
    domain.TooManyRepositoriesError: "TooManyBuckets",
    domain.InvalidKeyError: "InvalidURI",
    domain.KeyTooLongError: lambda error: S3Error(
        "KeyTooLongError", fields={"Size": str(error.size), "MaxSizeAllowed": "1024"}
    ),
    domain.FileNotFoundInRegistryError: lambda error: S3Error("NoSuchKey", fields={"Key": error.key}),
    domain.DeleteMarkerError: _delete_marker,
    domain.VersionNotFoundError: lambda error: S3Error(
        "NoSuchVersion", fields={"Key": error.key, "VersionId": error.version_id}
    ),
    domain.PreconditionFailedError: lambda error: S3Error("PreconditionFailed", fields={"Condition": error.condition}),
    domain.OverwriteDeniedError: "AccessDenied",
    domain.ProtectedError: "AccessDenied",
    domain.DigestMismatchError: _digest_mismatch,
    domain.LengthMismatchError: lambda error: S3Error(
        "IncompleteBody",
        fields={"NumberBytesExpected": str(error.expected), "NumberBytesProvided": str(error.actual)},
    ),
    domain.FileTooLargeError: lambda error: S3Error(
        "EntityTooLarge", fields={"ProposedSize": str(error.size), "MaxSizeAllowed": str(error.limit)}
    ),
    domain.InvalidRangeError: lambda error: S3Error(
        "InvalidRange",
        headers={"Content-Range": f"bytes */{error.size}"},
        fields={"ActualObjectSize": str(error.size)},
    ),
    domain.UploadNotFoundError: lambda error: S3Error("NoSuchUpload", fields={"UploadId": error.upload_id}),
    domain.InvalidPartError: lambda error: S3Error(
        "InvalidPart", error.message, fields={"PartNumber": str(error.number)}
    ),
    domain.InvalidPartOrderError: "InvalidPartOrder",
    domain.PartTooSmallError: lambda error: S3Error(
        "EntityTooSmall",
        fields={
            "ProposedSize": str(error.size),
            "MinSizeAllowed": str(error.minimum),
            "PartNumber": str(error.number),
            "ETag": error.etag,
        },
    ),
    domain.InvalidRequestError: "InvalidRequest",
    domain.InvalidArgumentError: lambda error: invalid_argument(error.field, str(error.value), error.message),
    domain.ConflictError: "ConditionalRequestConflict",
    domain.StorageFullError: "InsufficientStorage",
    domain.StorageUnavailableError: "ServiceUnavailable",
    domain.StoredBytesDamagedError: "InternalError",
    domain.PackageNotFoundError: "NoSuchKey",
    domain.PackageExistsError: "InvalidRequest",
    domain.PackageStateError: "InvalidRequest",
    domain.HoldNotFoundError: "InvalidRequest",
    domain.RetentionClassNotFoundError: "InvalidArgument",
    domain.WebhookNotFoundError: "InvalidArgument",
}
"""The S3 code of every refusal of the registry; a function where the error's data go into the document."""
