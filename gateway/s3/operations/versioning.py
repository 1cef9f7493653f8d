"""GetBucketVersioning, PutBucketVersioning, ListObjectVersions."""

from __future__ import annotations

from collections.abc import Callable

from gateway.http.sending import Response
from gateway.s3 import xml
from gateway.s3.call import Call, xml_response
from gateway.s3.errors import S3Error, invalid_argument, not_implemented
from gateway.s3.operations.listing import common_prefixes, encoder, encoding, limit, owner
from gateway.s3.times import iso_date
from registry.model import FileVersion, Versioning

_STATUS = {Versioning.OFF: "", Versioning.ENABLED: "Enabled", Versioning.SUSPENDED: "Suspended"}
_CHOSEN = {"Enabled": Versioning.ENABLED, "Suspended": Versioning.SUSPENDED}


async def get_bucket_versioning(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html"""
    status = _STATUS[(await call.settled_repository()).versioning]
    return xml_response(xml.document("VersioningConfiguration", xml.leaf("Status", status) if status else ""))


async def put_bucket_versioning(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html"""
    configuration = await call.document("VersioningConfiguration")
    if (xml.text(configuration, "MfaDelete") or "Disabled") != "Disabled" or "x-amz-mfa" in call.headers:
        raise not_implemented("MfaDelete")
    chosen = _CHOSEN.get(xml.text(configuration, "Status") or "")
    if chosen is None:
        raise S3Error("MalformedXML", "<Status> must be Enabled or Suspended.")
    if chosen is Versioning.SUSPENDED and (await call.settled_repository()).object_lock:
        raise S3Error(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        )
    await call.registry.repositories.update(call.actor, call.bucket, {"versioning": chosen})
    return Response(200)


async def list_object_versions(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html"""
    encode, most = encoder(call), limit(call, "max-keys")
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    key_marker, version_id_marker = call.query.get("key-marker", ""), call.query.get("version-id-marker", "")
    if version_id_marker and not key_marker:
        raise invalid_argument(
            "version-id-marker", version_id_marker, "A version-id marker cannot be specified without a key marker."
        )
    page = await call.registry.file_history.list(
        call.actor,
        call.bucket,
        prefix=prefix,
        delimiter=delimiter,
        key_marker=key_marker,
        version_id_marker=version_id_marker or None,
        limit=most,
    )
    repository = await call.repository()
    owned = owner(repository.owner_id, repository.owner_name)
    return xml_response(
        xml.document(
            "ListVersionsResult",
            xml.leaf("Name", call.bucket),
            xml.leaf("Prefix", encode(prefix)),
            xml.leaf("KeyMarker", encode(key_marker)),
            xml.leaf("VersionIdMarker", version_id_marker),
            xml.leaf("NextKeyMarker", encode(page.next_key)) if page.next_key is not None else "",
            xml.optional("NextVersionIdMarker", page.next_version_id),
            xml.leaf("MaxKeys", most),
            xml.leaf("Delimiter", encode(delimiter)) if delimiter else "",
            encoding(encode),
            xml.leaf("IsTruncated", page.next_key is not None),
            *(_version(version, encode, owned) for version in page.versions),
            *common_prefixes(page.prefixes, encode),
        )
    )


def _version(version: FileVersion, encode: Callable[[str], str], owned: str) -> str:
    named = (
        xml.leaf("Key", encode(version.key)),
        xml.leaf("VersionId", version.version_id),
        xml.leaf("IsLatest", version.latest),
        xml.leaf("LastModified", iso_date(version.created_at)),
        owned,
    )
    if version.delete_marker:
        return xml.node("DeleteMarker", *named)
    checksum = version.checksum
    return xml.node(
        "Version",
        *named,
        xml.leaf("ETag", f'"{version.etag}"'),
        xml.optional("ChecksumAlgorithm", checksum and checksum.algorithm),
        xml.optional("ChecksumType", checksum and checksum.type),
        xml.leaf("Size", version.size),
        xml.leaf("StorageClass", version.attributes.storage_class),
    )
