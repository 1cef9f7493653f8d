from __future__ import annotations

import inspect
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from gateway.auth import errors as wire
from gateway.s3.errors import CODES, DOMAIN, S3Error, translate
from registry import errors as domain
from registry.changes import state


def subclasses(base: type) -> Iterator[type]:
    for kind in base.__subclasses__():
        yield kind
        yield from subclasses(kind)


REGISTRY_ERRORS = [
    kind
    for _, kind in inspect.getmembers(domain, inspect.isclass)
    if issubclass(kind, domain.RegistryError) and kind is not domain.RegistryError
]
WIRE_ERRORS = sorted(subclasses(wire.RequestRefused), key=lambda kind: kind.__name__)

SAMPLES: dict[str, Any] = {
    "name": "bucket",
    "key": "k",
    "version_id": "v",
    "modified_at": 0,
    "by_id": True,
    "size": 1,
    "limit": 1,
    "number": 1,
    "minimum": 1,
    "etag": "e",
    "upload_id": "u",
    "condition": "if-match",
    "package": "run-42",
    "package_id": "pkg_1",
    "reasons": [domain.Protection("hold", "a hold")],
    "kind": "md5",
    "expected": "x",
    "actual": "y",
    "field": "f",
    "value": "v",
    "message": "A sentence.",
}


def sample(kind: type) -> Exception:
    parameters = inspect.signature(kind.__init__).parameters.values()
    needed = {p.name: SAMPLES[p.name] for p in parameters if p.name in SAMPLES}
    made = kind(**needed)
    assert isinstance(made, Exception)
    return made


def test_every_refusal_of_the_registry_has_a_row() -> None:
    assert set(REGISTRY_ERRORS) == DOMAIN.keys()


@pytest.mark.parametrize("kind", REGISTRY_ERRORS)
def test_a_refusal_of_the_registry_becomes_an_s3_error(kind: type[domain.RegistryError]) -> None:
    refused = translate(sample(kind))
    assert refused.code in CODES
    assert refused.message
    assert all(isinstance(value, str) for value in {**refused.fields, **refused.headers}.values())


@pytest.mark.parametrize("kind", WIRE_ERRORS)
def test_a_refusal_of_the_wire_bears_the_name_of_its_code(kind: type[wire.RequestRefused]) -> None:
    refused = translate(kind())
    assert refused.code == kind.__name__
    assert 400 <= refused.status < 500


def test_a_subclass_takes_the_row_of_its_base() -> None:
    assert translate(state.StaleError()).code == "ConditionalRequestConflict"


def test_what_nobody_refused_is_an_internal_error_that_tells_nothing() -> None:
    refused = translate(RuntimeError("secret"))
    assert (refused.code, refused.status) == ("InternalError", 500)
    assert "secret" not in refused.message


def test_statuses_are_those_of_http() -> None:
    for status, message in CODES.values():
        assert HTTPStatus(status) >= 400
        assert message


def test_reasons_of_protection_reach_the_caller() -> None:
    reasons = [domain.Protection("hold", "hold A: because"), domain.Protection("object_lock", "locked until T")]
    refused = translate(domain.ProtectedError(reasons))
    assert refused.code == "AccessDenied"
    assert "hold A: because" in refused.message
    assert "locked until T" in refused.message


def test_delete_markers() -> None:
    by_key = translate(domain.DeleteMarkerError("k", "v", 0, by_id=False))
    by_id = translate(domain.DeleteMarkerError("k", "v", 0, by_id=True))
    assert (by_key.code, by_id.code) == ("NoSuchKey", "MethodNotAllowed")
    for refused in (by_key, by_id):
        assert refused.headers["x-amz-delete-marker"] == "true"


def test_a_range_past_the_end_names_the_size() -> None:
    assert translate(domain.InvalidRangeError(7)).headers == {"Content-Range": "bytes */7"}


def test_an_unknown_code_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        S3Error("NoSuchCode")
