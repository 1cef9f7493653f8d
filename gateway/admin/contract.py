"""The contract: `openapi.yaml`, compiled into what each operation accepts.

Every schema is checked with the JSON Schema of the document itself (OpenAPI 3.1 is JSON Schema 2020-12), so what is
documented and what is enforced cannot differ. All faults of a request are reported at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry as Schemas
from referencing.jsonschema import DRAFT202012

from gateway.admin.problems import FieldError, Problem, invalid
from registry.durations import parse_duration
from registry.timestamps import parse_timestamp

METHODS = ("get", "put", "post", "delete", "patch")
_URI = "urn:artifact-store:openapi"
_LONGEST_ECHO = 100
_MOST_ERRORS = 50
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)

_FORMATS = FormatChecker(())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_timestamp(value: object) -> bool:
    return not isinstance(value, str) or parse_timestamp(value) is not None


@_FORMATS.checks("term", raises=ValueError)
def _is_duration(value: object) -> bool:
    return not isinstance(value, str) or parse_duration(value) > 0


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the path, the query or a header."""

    name: str
    location: str
    required: bool
    schema: Mapping[str, Any]
    validator: Draft202012Validator

    @property
    def kind(self) -> str:
        """JSON type that the text is read as."""
        kind = self.schema.get("type", "string")
        return kind if isinstance(kind, str) else next(name for name in kind if name != "null")

    def takes(self, name: str) -> bool:
        """Is a query parameter of that name (a part of) this one? Object parameters are spread over many names."""
        if self.kind == "object":
            return any(re.search(pattern, name) for pattern in self.schema.get("patternProperties", {}))
        return name == self.name


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    """With `{name}` for each parameter, relative to the server's address."""
    public: bool
    parameters: Sequence[Parameter]
    media_types: Mapping[str, Draft202012Validator]
    body_required: bool

    @property
    def rest_of_path(self) -> frozenset[str]:
        """Path parameters that may hold slashes."""
        return frozenset(part.name for part in self.parameters if part.location == "path" and part.name == "path")

    @property
    def repeatable(self) -> bool:
        """May a request be sent again under its Idempotency-Key?"""
        return any(parameter.name == "Idempotency-Key" for parameter in self.parameters)

    def read(
        self, path: Mapping[str, str], query: Iterable[tuple[str, str]], headers: Mapping[str, str]
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The values of path and query parameters by name, typed, and those of headers by lower-case name.

        Defaults are filled in. Raises Problem, naming every parameter that is wrong, missing or unknown.
        """
        errors: list[FieldError] = []
        values = dict(self._read_query(list(query), errors))
        found: dict[str, str] = {}
        for parameter in self.parameters:
            if parameter.location == "path":
                values[parameter.name] = path[parameter.name]
                errors.extend(_faults(parameter.validator, path[parameter.name], parameter.name))
            elif parameter.location == "header" and parameter.name in headers:
                found[parameter.name.lower()] = headers[parameter.name]
                errors.extend(_faults(parameter.validator, headers[parameter.name], parameter.name))
        if errors:
            raise invalid(errors[:_MOST_ERRORS])
        return values, found

    def read_content(self, media_type: str, content: bytes) -> Any:
        """The body as the contract has it: JSON, text, or None where there is none and none is required.

        Raises Problem.
        """
        if not content:
            if self.body_required:
                raise Problem("invalid_request", f"The body is missing. Send {self._expected}.")
            return None
        validator = self.media_types.get(media_type)
        if validator is None:
            wanted = self._expected if self.media_types else "no body"
            raise Problem(
                "unsupported_media_type", f"This takes {wanted}, not {media_type or 'a body without a type'}."
            )
        if media_type.startswith("text/"):
            return content
        value = _parse_json(content)
        errors = list(_faults(validator, value, ""))
        if errors:
            raise invalid(errors[:_MOST_ERRORS])
        return value

    @property
    def _expected(self) -> str:
        return " or ".join(self.media_types)

    def _read_query(self, query: list[tuple[str, str]], errors: list[FieldError]) -> Iterator[tuple[str, Any]]:
        known = [parameter for parameter in self.parameters if parameter.location == "query"]
        for name in dict.fromkeys(name for name, _ in query):
            if not any(parameter.takes(name) for parameter in known):
                names = ", ".join(parameter.name for parameter in known)
                fix = f"There are: {names}." if names else "There are none here."
                errors.append(FieldError(_shown(name), "there is no such parameter", fix))
        for parameter in known:
            texts = [(name, text) for name, text in query if parameter.takes(name)]
            if not texts:
                if parameter.required:
                    errors.append(FieldError(parameter.name, "is missing", _advice(parameter.schema)))
                elif "default" in parameter.schema:
                    yield parameter.name, parameter.schema["default"]
                continue
            if len({name for name, _ in texts}) != len(texts) and parameter.kind != "array":
                errors.append(FieldError(texts[0][0], "is given more than once", "Give it once."))
                continue
            value = _typed(parameter.kind, texts)
            errors.extend(_faults(parameter.validator, value, "" if parameter.kind == "object" else parameter.name))
            yield parameter.name, value


class Contract:
    """The document and its operations, in the document's order."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        resource = DRAFT202012.create_resource(dict(document))
        self._schemas: Schemas[Any] = Schemas().with_resource(_URI, resource)
        self.operations = tuple(self._operations())

    @classmethod
    def load(cls) -> Contract:
        """The contract that this package ships."""
        text = files(__package__).joinpath("openapi.yaml").read_bytes()
        return cls(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506 - both are safe

    def resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """The node, or what its `$ref` points to; members beside the `$ref` win."""
        if "$ref" not in node:
            return node
        target: Any = self.document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return {**self.resolve(target), **{name: value for name, value in node.items() if name != "$ref"}}

    def validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        """A validator of a schema of the document."""
        absolute = json.loads(json.dumps(schema).replace('"$ref": "#/', f'"$ref": "{_URI}#/'))
        return Draft202012Validator(absolute, registry=self._schemas, format_checker=_FORMATS)

    def _operations(self) -> Iterator[Operation]:
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if (node := item.get(method)) is not None:
                    body = self.resolve(node.get("requestBody", {}))
                    parameters = [*item.get("parameters", ()), *node.get("parameters", ())]
                    yield Operation(
                        node["operationId"],
                        method.upper(),
                        path,
                        public=node.get("security") == [],
                        parameters=tuple(map(self._parameter, parameters)),
                        media_types={
                            name: self.validator(media["schema"]) for name, media in body.get("content", {}).items()
                        },
                        body_required=body.get("required", False),
                    )

    def _parameter(self, node: Mapping[str, Any]) -> Parameter:
        resolved = self.resolve(node)
        schema = self.resolve(resolved["schema"])
        if "description" in resolved:
            schema = {"description": resolved["description"], **schema}
        return Parameter(
            resolved["name"], resolved["in"], resolved.get("required", False), schema, self.validator(schema)
        )


def _typed(kind: str, texts: list[tuple[str, str]]) -> Any:
    """The value of a query parameter; text that is not of its type stays text, for the schema to refuse."""
    text = texts[0][1]
    match kind:
        case "array":
            return [text for _, text in texts]
        case "object":
            return dict(texts)
        case "integer" if _INTEGER.fullmatch(text):
            return int(text)
        case "boolean" if text in ("true", "false"):
            return text == "true"
    return text


def _parse_json(content: bytes) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(name for index, (name, _) in enumerate(pairs) if name in dict(pairs[:index]))
            raise ValueError(f"the field {_shown(twice)} stands twice in one object")
        return found

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        value = json.loads(content.decode(), object_pairs_hook=unique, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem("invalid_request", f"The body is not JSON: {error.msg} at {where}.") from None
    except UnicodeError:
        raise Problem("invalid_request", "The body is not JSON in UTF-8, or has half of a surrogate pair.") from None
    except ValueError as error:
        raise Problem("invalid_request", f"The body is not JSON: {error}.") from None
    except RecursionError:
        raise Problem("invalid_request", "The body is JSON nested too deeply.") from None
    return value


def _faults(validator: Draft202012Validator, value: Any, where: str) -> Iterator[FieldError]:
    """What is wrong with a value, in the order of the document: of each field the first fault."""
    seen = set()
    explained = (fault for error in validator.iter_errors(value) for fault in _explained(error, where))
    for fault in chain(explained, _nuls(value, where)):
        if fault.field not in seen:
            seen.add(fault.field)
            yield fault


def _nuls(value: Any, where: str) -> Iterator[FieldError]:
    """Texts with U+0000, which not every database can keep."""
    if isinstance(value, str):
        if "\0" in value:
            yield FieldError(where or "body", "contains the control character U+0000", "Leave it out.")
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _nuls(name, where)
            yield from _nuls(member, _path(where, [_shown(name)]))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _nuls(member, _path(where, [index]))


def _explained(error: ValidationError, where: str) -> Iterator[FieldError]:
    """What a person needs to know of a violation: which field, what is wrong, how to mend it."""
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    field = _path(where, error.absolute_path)
    match error.validator:
        case "required":
            yield from _missing(error, schema, field)
        case "additionalProperties":
            yield from _unknown(error, schema, field)
        case "oneOf" if "x-fix" in schema:
            yield FieldError(field or "body", "contradicts itself or is not complete", schema["x-fix"])
        case "oneOf":
            # A value or null: what the value's own schema says against it is what helps.
            for nested in error.context or ():
                if nested.relative_schema_path[0] == 0:
                    yield from _explained(nested, where)
        case "format":
            yield FieldError(field, str(error.cause).rstrip("."), _advice(schema))
        case "pattern" if error.validator_value == r"\S":
            yield FieldError(field, "is blank", _advice(schema))
        case keyword:
            text = _MESSAGES.get(str(keyword), "{value} does not fit").format(
                value=_shown(error.instance), limit=_listed(error.validator_value)
            )
            yield FieldError(field or "body", text, _advice(schema))


_MESSAGES = {
    "type": "{value} is not of type {limit}",
    "enum": "{value} is none of {limit}",
    "pattern": "{value} is not of the form {limit}",
    "minLength": "is empty",
    "maxLength": "is longer than {limit} characters",
    "minimum": "{value} is less than {limit}",
    "maximum": "{value} is more than {limit}",
    "maxItems": "has more than {limit} entries",
    "maxProperties": "has more than {limit} entries",
    "minProperties": "is empty",
    "uniqueItems": "names something twice",
}


def _missing(error: ValidationError, schema: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    instance: Any = error.instance
    wanted: Any = error.validator_value
    for name in wanted:
        if name not in instance:
            yield FieldError(_path(field, [name]), "is missing", _advice(schema.get("properties", {}).get(name)))


def _unknown(error: ValidationError, schema: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    instance: Any = error.instance
    known = schema.get("properties", {})
    for name in instance:
        if name not in known:
            fix = f"There are: {', '.join(known)}." if known else _advice(schema)
            yield FieldError(_path(field, [_shown(name)]), "there is no such field", fix)


def _listed(limit: object) -> str:
    return ", ".join(map(str, limit)) if isinstance(limit, list) else str(limit)


def _advice(schema: Any) -> str:
    """How to mend a value, from the words of its schema."""
    if not isinstance(schema, dict):
        return "Send it."
    if "description" in schema:
        return str(schema["description"]).strip()
    if "enum" in schema:
        return f"One of {', '.join(schema['enum'])}."
    bounds = [f"at least {schema['minimum']}"] if "minimum" in schema else []
    bounds += [f"at most {schema['maximum']}"] if "maximum" in schema else []
    kind = schema.get("type", "value")
    kinds = kind if isinstance(kind, str) else " or ".join(kind)
    return " ".join([f"Send a value of type {kinds}", *[f"({', '.join(bounds)})"][: len(bounds)]]).strip() + "."


def _path(start: str, steps: Iterable[str | int]) -> str:
    """A field as people write it: `labels.team`, `events[2]`."""
    path = start
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path


def _shown(value: object) -> str:
    """A value as it came, cut to a length that can be shown."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > _LONGEST_ECHO:
        text = text[:_LONGEST_ECHO] + "…"
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
