"""Object Lock of buckets and of object versions."""

from __future__ import annotations

from gateway.http.sending import Response
from gateway.s3 import headers, xml
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error
from gateway.s3.operations.get_object import named_version
from gateway.s3.times import iso_date, moment
from registry.default_retention import MODES, DefaultRetention
from registry.model import Versioning
from registry.object_lock import NOT_LOCKABLE

_LONGEST = {"Days": 36_500, "Years": 100}


async def get_object_lock_configuration(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html"""
    found = await call.registry.object_lock.configuration(call.actor, call.bucket)
    if not found.enabled:
        raise S3Error("ObjectLockConfigurationNotFoundError", fields={"BucketName": call.bucket})
    rule = ""
    if found.default is not None:
        default = xml.node(
            "DefaultRetention",
            xml.leaf("Mode", found.default.mode),
            xml.optional("Days", found.default.days),
            xml.optional("Years", found.default.years),
        )
        rule = xml.node("Rule", default)
    return xml_response(xml.document("ObjectLockConfiguration", xml.leaf("ObjectLockEnabled", "Enabled"), rule))


async def put_object_lock_configuration(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html"""
    configuration = await call.document("ObjectLockConfiguration", ["Rule", "DefaultRetention"])
    if xml.text(configuration, "ObjectLockEnabled") != "Enabled":
        raise S3Error("MalformedXML", "<ObjectLockEnabled> must be Enabled.")
    default = _default(configuration)
    if (await call.settled_repository()).versioning is not Versioning.ENABLED:
        raise S3Error(
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        )
    await call.registry.object_lock.configure(call.actor, call.bucket, default)
    return Response(200)


async def get_object_retention(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html"""
    version = await call.registry.files.get(call.actor, call.bucket, call.key, named_version(call))
    locked = headers.lock(version)
    if locked is None:
        await _check_lockable(call)
        raise S3Error("NoSuchObjectLockConfiguration")
    mode, until = locked
    return xml_response(xml.document("Retention", xml.leaf("Mode", mode), xml.leaf("RetainUntilDate", iso_date(until))))


async def put_object_retention(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html"""
    version_id = named_version(call)
    retention = await call.document("Retention")
    mode, date = xml.text(retention, "Mode"), xml.text(retention, "RetainUntilDate")
    until = None if date is None else moment(date)
    if (mode is None) != (until is None) or (mode is not None and mode not in MODES) or (date and until is None):
        raise S3Error("MalformedXML", "A <Retention> needs a <Mode> and a <RetainUntilDate> in ISO 8601.")
    version = await call.registry.object_lock.retain(
        call.actor,
        call.bucket,
        call.key,
        version_id,
        mode=mode,
        until=until,
        bypass_governance=call.bypasses_governance,
    )
    return Response(200, headers.version_id(version))


async def get_object_legal_hold(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html

    ON is said for any hold there is, as HEAD does: what is asked is whether one keeps the version.
    """
    version = await call.registry.files.get(call.actor, call.bucket, call.key, named_version(call))
    if not version.keeping.held:
        await _check_lockable(call)
        if not await call.registry.object_lock.was_held(call.actor, version):
            raise S3Error("NoSuchObjectLockConfiguration")
    return xml_response(xml.document("LegalHold", xml.leaf("Status", "ON" if version.keeping.held else "OFF")))


async def put_object_legal_hold(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html"""
    version_id = named_version(call)
    status = xml.text(await call.document("LegalHold"), "Status")
    if status not in {"ON", "OFF"}:
        raise S3Error("MalformedXML", "The <Status> of a legal hold is ON or OFF.")
    version = await call.registry.object_lock.hold(call.actor, call.bucket, call.key, version_id, held=status == "ON")
    return Response(200, headers.version_id(version))


async def _check_lockable(call: Call) -> None:
    if not (await call.settled_repository()).object_lock:
        raise S3Error("InvalidRequest", NOT_LOCKABLE)


def _default(configuration: xml.Node) -> DefaultRetention | None:
    rules = xml.children(configuration, "Rule")
    if not rules:
        return None
    defaults = xml.children(rules[0], "DefaultRetention")
    if len(rules) != 1 or len(defaults) != 1:
        raise S3Error("MalformedXML", "<ObjectLockConfiguration> takes one <Rule> with one <DefaultRetention>.")
    mode = xml.text(defaults[0], "Mode")
    if mode not in MODES:
        raise S3Error("MalformedXML", "The <Mode> of a default retention is GOVERNANCE or COMPLIANCE.")
    said = {unit: value for unit in _LONGEST if (value := xml.text(defaults[0], unit)) is not None}
    if len(said) != 1:
        raise S3Error("MalformedXML", "A default retention has either <Days> or <Years>.")
    ((unit, value),) = said.items()
    digits = value.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise S3Error("MalformedXML", f"<{unit}> must be a whole number.")
    if len(digits) > 9 or not 1 <= int(value) <= _LONGEST[unit]:
        raise S3Error(
            "InvalidRetentionPeriod", f"The default retention is 1 to {_LONGEST[unit]} {unit.lower()}, not {value}."
        )
    return DefaultRetention(mode, **{unit.lower(): int(value)})
