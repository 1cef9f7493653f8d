from __future__ import annotations

import botocore.session
import pytest

from gateway.s3 import routes
from gateway.s3.catalogue import OPERATIONS
from gateway.s3.routes import BEYOND_THE_MODEL, SUPERSEDED, TABLE, Target, find


def model_operations() -> set[str]:
    return set(botocore.session.get_session().get_service_model("s3").operation_names)


def test_the_table_names_every_operation_of_the_service_model_and_no_other() -> None:
    named = {route.operation for route in TABLE}
    assert named - BEYOND_THE_MODEL | SUPERSEDED.keys() == model_operations()
    assert named.isdisjoint(SUPERSEDED)
    assert set(SUPERSEDED.values()) <= named


@pytest.mark.parametrize("operation", sorted({route.operation for route in TABLE} - BEYOND_THE_MODEL))
def test_a_route_is_what_the_service_model_says(operation: str) -> None:
    http = botocore.session.get_session().get_service_model("s3").operation_model(operation).http
    path, _, query = http["requestUri"].partition("?")
    route = next(route for route in TABLE if route.operation == operation)
    assert route.method == http["method"]
    if operation != "WriteGetObjectResponse":  # its path stands for an endpoint of its own
        target = {"/": Target.SERVICE, "/{Bucket}": Target.BUCKET, "/{Bucket}/{Key+}": Target.OBJECT}[path]
        assert route.target is target
    if query:
        assert route.query.split("&")[0] == query.split("&")[0]


def test_every_operation_that_is_done_has_a_route() -> None:
    assert OPERATIONS.keys() <= {route.operation for route in TABLE}


def test_no_route_hides_another() -> None:
    for route in TABLE:
        query = dict(part.partition("=")[::2] for part in route.query.split("&") if part)
        headers = {route.header: "x"} if route.header else {}
        assert find(route.method, route.target, query, headers) == route.operation


@pytest.mark.parametrize(
    ("method", "target", "query", "headers", "operation"),
    [
        ("GET", Target.SERVICE, {}, {}, "ListBuckets"),
        ("GET", Target.SERVICE, {"x-id": "ListBuckets"}, {}, "ListBuckets"),
        ("PUT", Target.SERVICE, {}, {}, None),
        ("GET", Target.BUCKET, {}, {}, "ListObjects"),
        ("GET", Target.BUCKET, {"prefix": "a", "list-type": "2"}, {}, "ListObjectsV2"),
        ("GET", Target.BUCKET, {"list-type": "1"}, {}, "ListObjects"),
        ("GET", Target.BUCKET, {"uploads": "", "prefix": ""}, {}, "ListMultipartUploads"),
        ("GET", Target.BUCKET, {"analytics": "", "id": "1"}, {}, "GetBucketAnalyticsConfiguration"),
        ("GET", Target.BUCKET, {"analytics": ""}, {}, "ListBucketAnalyticsConfigurations"),
        ("GET", Target.OBJECT, {"versionId": "null", "partNumber": "1"}, {}, "GetObject"),
        ("GET", Target.OBJECT, {"uploadId": "u"}, {}, "ListParts"),
        ("PUT", Target.OBJECT, {}, {}, "PutObject"),
        ("PUT", Target.OBJECT, {}, {"x-amz-copy-source": "b/k"}, "CopyObject"),
        ("PUT", Target.OBJECT, {"x-id": "CopyObject"}, {"x-amz-copy-source": "b/k"}, "CopyObject"),
        ("PUT", Target.OBJECT, {"partNumber": "1", "uploadId": "u"}, {}, "UploadPart"),
        ("PUT", Target.OBJECT, {"partNumber": "1", "uploadId": "u"}, {"x-amz-copy-source": "b/k"}, "UploadPartCopy"),
        ("POST", Target.OBJECT, {"uploads": ""}, {}, "CreateMultipartUpload"),
        ("POST", Target.OBJECT, {}, {}, None),
        ("PATCH", Target.OBJECT, {}, {}, None),
        ("DELETE", Target.OBJECT, {"nonsense": "1"}, {}, "DeleteObject"),
    ],
)
def test_find(
    method: str, target: Target, query: dict[str, str], headers: dict[str, str], operation: str | None
) -> None:
    assert routes.find(method, target, query, headers) == operation
