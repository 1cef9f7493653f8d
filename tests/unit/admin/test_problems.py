from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
from aiohttp import web

import gateway.admin
from gateway.admin.problems import CODES, TRANSLATIONS, FieldError, Problem, respond, translate
from gateway.auth import errors as wire
from registry import errors as domain
from registry.errors import InvalidArgumentError, InvalidRangeError, ProtectedError
from registry.model import Protection
from registry.sha256sums import Differences, MalformedSumsError, Mismatch, SumsDifferError
from registry.sha256sums import Problem as Fault


def classes(module: object, base: type[Exception]) -> list[type[Exception]]:
    return [found for _, found in inspect.getmembers(module, inspect.isclass) if issubclass(found, base)]


def test_every_error_of_the_registry_has_a_row() -> None:
    named = set(classes(domain, domain.RegistryError)) - {domain.RegistryError}
    assert named
    assert named <= set(TRANSLATIONS)


def test_every_refusal_of_the_wire_has_a_row() -> None:
    named = set(classes(wire, wire.RequestRefused)) - {wire.RequestRefused}
    assert named
    assert named <= set(TRANSLATIONS)


def test_every_code_is_declared_and_every_declared_one_is_used() -> None:
    source = "".join(path.read_text() for path in Path(gateway.admin.__path__[0]).glob("*.py"))
    raised = set(re.findall(r'Problem\(\s*"([a-z_]+)"', source))
    by_status = {"not_found", "method_not_allowed", "body_too_large"}
    assert raised | set(TRANSLATIONS.values()) | by_status == set(CODES)


def body(error: Exception) -> dict[str, object]:
    problem = translate(error)
    assert problem is not None
    response = respond(problem)
    assert response.content_type == "application/problem+json"
    assert isinstance(response.body, bytes)
    content = json.loads(response.body)
    assert content["status"] == response.status
    assert isinstance(content, dict)
    return content


def test_the_document() -> None:
    assert body(Problem("conflict", "Someone was faster.", errors=[FieldError("a", "b", "c")])) == {
        "type": "/docs#problem-conflict",
        "title": "Something else changed it at the same time",
        "status": 409,
        "detail": "Someone was faster.",
        "instance": "urn:request:unknown",
        "code": "conflict",
        "errors": [{"field": "a", "message": "b", "fix": "c"}],
    }


def test_every_reason_of_a_protection_is_told() -> None:
    error = ProtectedError(
        [
            Protection("retention", "retained until then", until=1_800_000_000_000_000),
            Protection("hold", "held", hold="litigation", case_ref="case-7"),
        ]
    )
    content = body(error)
    assert content["code"] == "protected"
    assert content["reasons"] == [
        {
            "kind": "retention",
            "message": "retained until then",
            "until": "2027-01-15T08:00:00.000000Z",
            "hold": None,
            "case_ref": None,
            "mode": None,
        },
        {"kind": "hold", "message": "held", "until": None, "hold": "litigation", "case_ref": "case-7", "mode": None},
    ]


def test_an_invalid_argument_names_its_field() -> None:
    content = body(InvalidArgumentError("until", "x", "That is in the past."))
    assert content["errors"] == [
        {"field": "until", "message": "That is in the past.", "fix": "Send a value as the message says."}
    ]


def test_lists_of_digests_are_explained() -> None:
    malformed = body(MalformedSumsError([Fault(3, "there is no file name after the SHA-256")]))
    assert malformed["code"] == "invalid_request"
    assert malformed["errors"] == [
        {
            "field": "line 3",
            "message": "there is no file name after the SHA-256",
            "fix": "Write the list with `sha256sum`.",
        }
    ]
    differing = body(SumsDifferError(Differences(("a",), (), (Mismatch("b", "0", "1"),))))
    assert differing["code"] == "sums_differ"
    assert differing["differences"] == {
        "missing": ["a"],
        "unlisted": [],
        "mismatched": [{"path": "b", "listed": "0", "actual": "1"}],
    }


def test_headers_that_belong_to_a_refusal() -> None:
    beyond = translate(InvalidRangeError(10))
    assert beyond is not None
    assert respond(beyond).headers["Content-Range"] == "bytes */10"
    anonymous = translate(wire.SignatureDoesNotMatch())
    assert anonymous is not None
    assert respond(anonymous).headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    ("error", "code"),
    [(web.HTTPNotFound(), "not_found"), (web.HTTPMethodNotAllowed("PUT", ["GET"]), "method_not_allowed")],
)
def test_what_the_router_refuses(error: Exception, code: str) -> None:
    problem = translate(error)
    assert problem is not None
    assert problem.code == code


def test_a_fault_is_no_refusal() -> None:
    assert translate(ZeroDivisionError()) is None
