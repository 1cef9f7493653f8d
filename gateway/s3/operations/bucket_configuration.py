"""What stock clients ask of a bucket beside its objects, and finds as it always is, or not configured."""

from __future__ import annotations

from gateway.http.sending import Response
from gateway.s3 import xml
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error
from gateway.s3.operations import Operation


async def get_bucket_request_payment(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketRequestPayment.html"""
    await call.repository()
    return xml_response(xml.document("RequestPaymentConfiguration", xml.leaf("Payer", "BucketOwner")))


async def get_bucket_ownership_controls(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html"""
    await call.repository()
    rule = xml.node("Rule", xml.leaf("ObjectOwnership", "BucketOwnerEnforced"))
    return xml_response(xml.document("OwnershipControls", rule))


async def get_bucket_policy_status(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html

    No policy makes a bucket public here: nobody is let in without a signature.
    """
    await call.repository()
    return xml_response(xml.document("PolicyStatus", xml.leaf("IsPublic", value=False)))


async def get_bucket_accelerate_configuration(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAccelerateConfiguration.html"""
    await call.repository()
    return xml_response(xml.document("AccelerateConfiguration"))


async def get_bucket_logging(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLogging.html"""
    await call.repository()
    return xml_response(xml.document("BucketLoggingStatus"))


async def get_bucket_notification_configuration(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html"""
    await call.repository()
    return xml_response(xml.document("NotificationConfiguration"))


def not_configured(code: str) -> Operation:
    """An operation that finds the bucket, and no such configuration of it."""

    async def operation(call: Call) -> Response:
        await call.repository()
        raise S3Error(code, fields={"BucketName": call.bucket})

    return operation
