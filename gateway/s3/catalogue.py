"""Which function does which operation of `gateway.s3.routes`. What is not here is refused by its name."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.s3.operations import (
    Operation,
    acl,
    bucket_configuration,
    buckets,
    copy_object,
    delete_objects,
    get_object,
    list_objects,
    list_uploads,
    multipart_upload,
    put_object,
    tagging,
)
from gateway.s3.operations.bucket_configuration import not_configured

OPERATIONS: Mapping[str, Operation] = {
    "AbortMultipartUpload": multipart_upload.abort_multipart_upload,
    "CompleteMultipartUpload": multipart_upload.complete_multipart_upload,
    "CopyObject": copy_object.copy_object,
    "CreateBucket": buckets.create_bucket,
    "CreateMultipartUpload": multipart_upload.create_multipart_upload,
    "DeleteBucket": buckets.delete_bucket,
    "DeleteObject": delete_objects.delete_object,
    "DeleteObjects": delete_objects.delete_objects,
    "GetBucketAccelerateConfiguration": bucket_configuration.get_bucket_accelerate_configuration,
    "GetBucketAcl": acl.get_bucket_acl,
    "GetBucketCors": not_configured("NoSuchCORSConfiguration"),
    "GetBucketEncryption": not_configured("ServerSideEncryptionConfigurationNotFoundError"),
    "GetBucketLifecycleConfiguration": not_configured("NoSuchLifecycleConfiguration"),
    "GetBucketLocation": buckets.get_bucket_location,
    "GetBucketLogging": bucket_configuration.get_bucket_logging,
    "GetBucketNotificationConfiguration": bucket_configuration.get_bucket_notification_configuration,
    "GetBucketOwnershipControls": bucket_configuration.get_bucket_ownership_controls,
    "GetBucketPolicy": not_configured("NoSuchBucketPolicy"),
    "GetBucketPolicyStatus": not_configured("NoSuchBucketPolicy"),
    "GetBucketReplication": not_configured("ReplicationConfigurationNotFoundError"),
    "GetBucketRequestPayment": bucket_configuration.get_bucket_request_payment,
    "GetBucketTagging": not_configured("NoSuchTagSet"),
    "GetBucketVersioning": bucket_configuration.get_bucket_versioning,
    "GetBucketWebsite": not_configured("NoSuchWebsiteConfiguration"),
    "GetObject": get_object.get_object,
    "GetObjectAcl": acl.get_object_acl,
    "GetObjectLockConfiguration": bucket_configuration.get_object_lock_configuration,
    "GetObjectTagging": tagging.get_object_tagging,
    "GetPublicAccessBlock": not_configured("NoSuchPublicAccessBlockConfiguration"),
    "HeadBucket": buckets.head_bucket,
    "HeadObject": get_object.get_object,
    "ListBuckets": buckets.list_buckets,
    "ListMultipartUploads": list_uploads.list_multipart_uploads,
    "ListObjects": list_objects.list_objects,
    "ListObjectsV2": list_objects.list_objects_v2,
    "ListParts": list_uploads.list_parts,
    "PutObject": put_object.put_object,
    "UploadPart": multipart_upload.upload_part,
    "UploadPartCopy": multipart_upload.upload_part_copy,
}
