from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.admin.contract import Contract, Operation
from gateway.admin.operations import OPERATIONS
from gateway.admin.problems import FieldError, Problem

CONTRACT = Contract.load()
BY_ID = {operation.id: operation for operation in CONTRACT.operations}
PACKAGE = {"package_id": "pkg_1"}


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from nodes(child)


def test_every_operation_has_a_handler_and_every_handler_an_operation() -> None:
    assert set(BY_ID) - {"getOpenAPI"} == set(OPERATIONS)
    assert len(BY_ID) == len(CONTRACT.operations), "an operationId is used twice"


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    for node in nodes(CONTRACT.document):
        CONTRACT.resolve(node)
    for schema in CONTRACT.document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_no_component_is_left_over() -> None:
    used = {node["$ref"] for node in nodes(CONTRACT.document) if "$ref" in node}
    declared = {
        f"#/components/{kind}/{name}"
        for kind, components in CONTRACT.document["components"].items()
        if kind != "securitySchemes"
        for name in components
    }
    assert declared == used


@pytest.mark.parametrize("operation", CONTRACT.operations, ids=lambda operation: operation.id)
def test_an_operation_is_whole(operation: Operation) -> None:
    node = CONTRACT.document["paths"][operation.path][operation.method.lower()]
    in_path = {parameter.name for parameter in operation.parameters if parameter.location == "path"}
    assert in_path == {part.strip("{}") for part in operation.path.split("/") if part.startswith("{")}
    assert node["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    assert {tag["name"] for tag in CONTRACT.document["tags"]} >= set(node["tags"])
    assert node["summary"]
    assert not node["summary"].endswith(".")
    is_list = any(parameter.name == "after" for parameter in operation.parameters)
    assert is_list == any(parameter.name == "limit" for parameter in operation.parameters)
    only_once = {"createWebhook"}  # its answer holds a secret that must not be kept
    assert operation.repeatable == (operation.method == "POST" and operation.id not in only_once)


def read_query(operation: str, *query: tuple[str, str]) -> dict[str, Any]:
    values, _ = BY_ID[operation].read({}, query, {})
    return values


def refusal(operation: str, *query: tuple[str, str]) -> tuple[FieldError, ...]:
    with pytest.raises(Problem) as refused:
        read_query(operation, *query)
    assert refused.value.code == "invalid_request"
    return tuple(refused.value.errors)


def test_query_parameters_are_typed_and_defaults_filled_in() -> None:
    values = read_query(
        "listPackages",
        ("min_size", "7"),
        ("status", "finalized"),
        ("status", "failed"),
        ("metadata.run_id", "run-1"),
        ("labels.team", "x"),
        ("created_after", "2026-01-01T00:00:00Z"),
    )
    assert values == {
        "min_size": 7,
        "status": ["finalized", "failed"],
        "filters": {"metadata.run_id": "run-1", "labels.team": "x"},
        "created_after": "2026-01-01T00:00:00Z",
        "limit": 100,
    }
    assert read_query("listHolds", ("active", "false"))["active"] is False


@pytest.mark.parametrize(
    ("query", "field", "message", "fix"),
    [
        (("limit", "0"), "limit", "0 is less than 1", "At most so many items."),
        (("limit", "1001"), "limit", "1001 is more than 1000", "At most so many items."),
        (("limit", "many"), "limit", "many is not of type integer", "At most so many items."),
        (("limit", "1" * 30), "limit", f"{'1' * 30} is not of type integer", "At most so many items."),
        (
            ("status", "done"),
            "status[0]",
            "done is none of created, uploading, finalized, deleted, failed",
            "One of created, uploading, finalized, deleted, failed.",
        ),
        (
            ("created_after", "2026-01-01"),
            "created_after",
            "'2026-01-01' is not an RFC 3339 time with an offset, like 2033-01-31T00:00:00Z",
            "RFC 3339 with an offset, like 2033-01-31T00:00:00Z.",
        ),
        (("retention_class", "Raw Evidence"), "retention_class", "Raw Evidence is not of the form", "As in raw-"),
        (("metadata.", "x"), "metadata.", "there is no such parameter", "There are: repository, name"),
        (("stauts", "failed"), "stauts", "there is no such parameter", "There are: repository, name"),
        (("after", ""), "after", "is empty", "Go on after this place"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_fix(query: tuple[str, str], field: str, message: str, fix: str) -> None:
    [error] = refusal("listPackages", query)
    assert error.field == field
    assert error.message.startswith(message)
    assert error.fix.startswith(fix)


def test_all_wrong_parameters_are_named_at_once() -> None:
    errors = refusal("listPackages", ("limit", "x"), ("nonsense", "1"), ("name", "a"), ("name", "b"))
    assert {error.field for error in errors} == {"limit", "nonsense", "name"}


def test_a_required_parameter_is_missed() -> None:
    with pytest.raises(Problem, match="reason: is missing"):
        BY_ID["deletePackage"].read(PACKAGE, [], {})


def test_path_and_headers_are_checked() -> None:
    with pytest.raises(Problem, match=r"package_id: .* If-Match: "):
        BY_ID["updatePackage"].read({"package_id": "run-42"}, [], {"If-Match": "no quotes"})


def content_errors(operation: str, content: object) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as refused:
        BY_ID[operation].read_content("application/json", json.dumps(content).encode())
    return [(error.field, error.message) for error in refused.value.errors]


def test_every_fault_of_a_body_is_named() -> None:
    errors = content_errors(
        "createPackage", {"name": "", "labels": {"a": 1}, "metadata": [], "colour": "red", "producer": 7}
    )
    assert sorted(errors) == [
        ("colour", "there is no such field"),
        ("labels.a", "1 is not of type string"),
        ("metadata", "[] is not of type object"),
        ("name", "is empty"),
        ("producer", "7 is not of type string, null"),
        ("repository", "is missing"),
    ]


@pytest.mark.parametrize(
    ("operation", "content", "errors"),
    [
        ("placeHold", {"name": "audit", "reason": "why"}, [("body", "contradicts itself or is not complete")]),
        (
            "placeHold",
            {"name": "audit", "reason": "why", "package_id": "pkg_1", "version_id": "v"},
            [("body", "contradicts itself or is not complete")],
        ),
        ("placeHold", {"name": "audit", "package_id": "pkg_1"}, [("reason", "is missing")]),
        (
            "placeHold",
            {"name": "audit", "package_id": "pkg_1", "reason": " "},
            [("reason", "is blank")],
        ),
        ("extendRetention", {"reason": "x"}, [("body", "contradicts itself or is not complete")]),
        (
            "extendRetention",
            {"reason": "x", "duration": "3M"},
            [
                (
                    "duration",
                    (
                        "'3M' is not a duration: an M alone could be months or minutes; months are P3M, minutes 3m. "
                        "Write it like P30D, P7Y or PT12H (ISO 8601), or in short 30d, 2w, 7y, 12h, 90m"
                    ),
                )
            ],
        ),
        ("updateRepository", {}, [("body", "is empty")]),
        ("updateRepository", {"default_retention_class": 7}, [("default_retention_class", "7 is not of type string")]),
        ("updateRepository", {"package_depth": 17}, [("package_depth", "17 is more than 16")]),
        ("createWebhook", {"url": "ftp://x"}, [("url", "ftp://x is not of the form ^https?://.+")]),
        ("updateRetentionClass", {"term": 30}, [("term", "30 is not of type string, null")]),
        ("createPackage", [], [("body", "[] is not of type object")]),
    ],
)
def test_faults_of_bodies(operation: str, content: object, errors: list[tuple[str, str]]) -> None:
    assert content_errors(operation, content) == errors


def test_long_and_unprintable_values_are_not_echoed_whole() -> None:
    [(_, message)] = content_errors("updateRetentionClass", {"term": ["\x1b[31m" * 1000]})
    assert len(message) < 200
    assert "\x1b" not in message


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"{", "not JSON: Expecting property name .* line 1, column 2"),
        (b'{"name": "a", "name": "b"}', "name stands twice"),
        (b'{"metadata": {"a": NaN}}', "NaN is not JSON"),
        (b"\xff", "UTF-8"),
        (b'{"name": "\\ud800"}', "surrogate"),
        (b"[" * 100_000, "nested too deeply"),
        (b"", "The body is missing"),
    ],
)
def test_what_is_no_json_is_refused(content: bytes, detail: str) -> None:
    with pytest.raises(Problem, match=detail) as refused:
        BY_ID["createPackage"].read_content("application/json", content)
    assert refused.value.code == "invalid_request"


def test_media_types_are_the_contracts() -> None:
    with pytest.raises(Problem, match="takes application/json, not text/plain") as refused:
        BY_ID["createPackage"].read_content("text/plain", b"{}")
    assert refused.value.code == "unsupported_media_type"
    with pytest.raises(Problem, match="takes no body, not application/json"):
        BY_ID["amendPackage"].read_content("application/json", b"{}")
    assert BY_ID["amendPackage"].read_content("", b"") is None
    assert BY_ID["finalizePackage"].read_content("text/plain", b"abc") == b"abc"
