"""ListParts and ListMultipartUploads."""

from __future__ import annotations

from collections.abc import Callable

from gateway.http.sending import Response
from gateway.s3 import query, xml
from gateway.s3.call import Call, xml_response
from gateway.s3.operations.listing import common_prefixes, encoder, encoding, limit, owner
from gateway.s3.times import iso_date
from registry.model import Upload, UploadPart


async def list_parts(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html"""
    most, after = limit(call, "max-parts"), query.integer(call.query, "part-number-marker", 0)
    encode = encoder(call)
    page = await call.registry.uploads.list_parts(
        call.actor, call.bucket, call.key, call.query["uploadId"], after=after, limit=most
    )
    upload = page.upload
    repository = await call.repository()
    return xml_response(
        xml.document(
            "ListPartsResult",
            xml.leaf("Bucket", call.bucket),
            xml.leaf("Key", encode(call.key)),
            xml.leaf("UploadId", upload.id),
            owner(upload.initiated_by, upload.initiator_name, "Initiator"),
            owner(repository.owner_id, repository.owner_name),
            xml.leaf("StorageClass", upload.attributes.storage_class),
            xml.leaf("PartNumberMarker", after),
            xml.leaf("NextPartNumberMarker", page.parts[-1].number if page.parts else after),
            xml.leaf("MaxParts", most),
            encoding(encode),
            xml.leaf("IsTruncated", page.next_number is not None),
            *map(_part, page.parts),
            xml.optional("ChecksumAlgorithm", upload.checksum_algorithm),
            xml.optional("ChecksumType", upload.checksum_type),
        )
    )


async def list_multipart_uploads(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html"""
    encode, most = encoder(call), limit(call, "max-uploads")
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    key_marker, upload_id_marker = call.query.get("key-marker", ""), call.query.get("upload-id-marker", "")
    page = await call.registry.uploads.list(
        call.actor,
        call.bucket,
        prefix=prefix,
        delimiter=delimiter,
        key_marker=key_marker,
        # S3: without a key marker it means nothing.
        upload_id_marker=upload_id_marker if key_marker else "",
        limit=most,
    )
    repository = await call.repository()
    owned = owner(repository.owner_id, repository.owner_name)
    return xml_response(
        xml.document(
            "ListMultipartUploadsResult",
            xml.leaf("Bucket", call.bucket),
            xml.leaf("KeyMarker", encode(key_marker)),
            xml.leaf("UploadIdMarker", upload_id_marker),
            xml.leaf("NextKeyMarker", encode(page.next_key)) if page.next_key is not None else "",
            xml.leaf("NextUploadIdMarker", page.next_upload_id or "") if page.next_key is not None else "",
            xml.leaf("Prefix", encode(prefix)),
            xml.leaf("Delimiter", encode(delimiter)) if delimiter else "",
            xml.leaf("MaxUploads", most),
            encoding(encode),
            xml.leaf("IsTruncated", page.next_key is not None),
            *(_upload(upload, encode, owned) for upload in page.uploads),
            *common_prefixes(page.prefixes, encode),
        )
    )


def _part(part: UploadPart) -> str:
    return xml.node(
        "Part",
        xml.leaf("PartNumber", part.number),
        xml.leaf("LastModified", iso_date(part.modified_at)),
        xml.leaf("ETag", f'"{part.etag}"'),
        xml.leaf("Size", part.size),
        "" if part.checksum is None else xml.leaf(f"Checksum{part.checksum.algorithm}", part.checksum.value),
    )


def _upload(upload: Upload, encode: Callable[[str], str], owned: str) -> str:
    return xml.node(
        "Upload",
        xml.leaf("Key", encode(upload.key)),
        xml.leaf("UploadId", upload.id),
        owner(upload.initiated_by, upload.initiator_name, "Initiator"),
        owned,
        xml.leaf("StorageClass", upload.attributes.storage_class),
        xml.leaf("Initiated", iso_date(upload.initiated_at)),
        xml.optional("ChecksumAlgorithm", upload.checksum_algorithm),
        xml.optional("ChecksumType", upload.checksum_type),
    )
