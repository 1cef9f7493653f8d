"""ListObjects and ListObjectsV2."""

from __future__ import annotations

from collections.abc import Callable

from gateway.http.sending import Response
from gateway.s3 import xml
from gateway.s3.call import Call, xml_response
from gateway.s3.operations.listing import common_prefixes, encoder, encoding, limit, owner, token, token_value
from gateway.s3.times import iso_date
from registry.model import ListedFile, ListPage


async def list_objects(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html"""
    encode, most = encoder(call), limit(call, "max-keys")
    marker, delimiter = call.query.get("marker", ""), call.query.get("delimiter", "")
    page = await _page(call, marker, most)
    return xml_response(
        xml.document(
            "ListBucketResult",
            xml.leaf("Name", call.bucket),
            xml.leaf("Prefix", encode(call.query.get("prefix", ""))),
            xml.leaf("Marker", encode(marker)),
            # Without a delimiter the last key of the page is where the next one begins, and S3 does not say it.
            xml.leaf("NextMarker", encode(page.next)) if page.next is not None and delimiter else "",
            xml.leaf("MaxKeys", most),
            xml.leaf("Delimiter", encode(delimiter)) if delimiter else "",
            encoding(encode),
            xml.leaf("IsTruncated", page.next is not None),
            *(_object(file, encode, with_owner=True) for file in page.files),
            *common_prefixes(page.prefixes, encode),
        )
    )


async def list_objects_v2(call: Call) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"""
    encode, most = encoder(call), limit(call, "max-keys")
    continuation, start_after = call.query.get("continuation-token"), call.query.get("start-after")
    delimiter = call.query.get("delimiter", "")
    with_owner = call.query.get("fetch-owner", "").lower() == "true"
    page = await _page(call, token_value(continuation) if continuation else start_after or "", most)
    return xml_response(
        xml.document(
            "ListBucketResult",
            xml.leaf("Name", call.bucket),
            xml.leaf("Prefix", encode(call.query.get("prefix", ""))),
            xml.optional("ContinuationToken", continuation),
            xml.leaf("NextContinuationToken", token(page.next)) if page.next is not None else "",
            xml.leaf("StartAfter", encode(start_after)) if start_after else "",
            xml.leaf("KeyCount", len(page.files) + len(page.prefixes)),
            xml.leaf("MaxKeys", most),
            xml.leaf("Delimiter", encode(delimiter)) if delimiter else "",
            encoding(encode),
            xml.leaf("IsTruncated", page.next is not None),
            *(_object(file, encode, with_owner=with_owner) for file in page.files),
            *common_prefixes(page.prefixes, encode),
        )
    )


async def _page(call: Call, after: str, most: int) -> ListPage:
    return await call.registry.files.list(
        call.actor,
        call.bucket,
        prefix=call.query.get("prefix", ""),
        delimiter=call.query.get("delimiter", ""),
        after=after,
        limit=most,
    )


def _object(file: ListedFile, encode: Callable[[str], str], *, with_owner: bool) -> str:
    # In one piece, for there are a thousand on a page. Only what clients chose needs escaping.
    algorithm = f"<ChecksumAlgorithm>{file.checksum_algorithm}</ChecksumAlgorithm>" if file.checksum_algorithm else ""
    kind = f"<ChecksumType>{file.checksum_type}</ChecksumType>" if file.checksum_type else ""
    return (
        f"<Contents><Key>{xml.escape(encode(file.key))}</Key>"
        f"<LastModified>{iso_date(file.modified_at)}</LastModified>"
        f"<ETag>&quot;{file.etag}&quot;</ETag>{algorithm}{kind}"
        f"<Size>{file.size}</Size>{owner(file.owner_id, file.owner_name) if with_owner else ''}"
        f"<StorageClass>{file.storage_class}</StorageClass></Contents>"
    )
