"""Cross-origin resource sharing: the rules of a bucket, and which one allows a request.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.s3 import xml
from gateway.s3.errors import S3Error

DOCUMENT = "cors"
"""The kind of the repository document that holds the rules."""

LISTS = ("CORSRule", "AllowedHeader", "AllowedMethod", "AllowedOrigin", "ExposeHeader")
_METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
_MOST = 100
_LONGEST_AGE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may ask for what from where. Origins and headers may hold one `*`."""

    origins: Sequence[str]
    methods: Sequence[str]
    headers: Sequence[str] = ()
    exposed: Sequence[str] = ()
    max_age: int | None = None
    name: str | None = None

    def allows(self, origin: str, method: str, headers: Iterable[str] = ()) -> bool:
        return (
            method in self.methods
            and any(_fits(pattern, origin) for pattern in self.origins)
            and all(any(_fits(pattern.lower(), header) for pattern in self.headers) for header in headers)
        )

    def answer(self, origin: str) -> list[tuple[str, str]]:
        """The headers that tell a browser that its page may read the answer."""
        everybody = "*" in self.origins
        answer = [("Access-Control-Allow-Origin", "*" if everybody else origin)]
        answer.append(("Access-Control-Allow-Methods", ", ".join(self.methods)))
        if self.exposed:
            answer.append(("Access-Control-Expose-Headers", ", ".join(self.exposed)))
        if self.max_age is not None:
            answer.append(("Access-Control-Max-Age", str(self.max_age)))
        if not everybody:
            answer.append(("Access-Control-Allow-Credentials", "true"))
        answer.append(("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"))
        return answer

    def document(self) -> dict[str, Any]:
        return {
            "origins": list(self.origins),
            "methods": list(self.methods),
            "headers": list(self.headers),
            "exposed": list(self.exposed),
            "max_age": self.max_age,
            "name": self.name,
        }


def of_document(document: Sequence[Mapping[str, Any]] | None) -> Sequence[Rule]:
    """The rules as they are kept; none for None."""
    return [Rule(**rule) for rule in document or ()]


def find(rules: Iterable[Rule], origin: str, method: str, headers: Iterable[str] = ()) -> Rule | None:
    """The first rule that allows it."""
    wanted = tuple(headers)
    return next((rule for rule in rules if rule.allows(origin, method, wanted)), None)


def parse(configuration: xml.Node) -> Sequence[Rule]:
    """The rules of a <CORSConfiguration> that was parsed with `LISTS`."""
    elements = xml.children(configuration, "CORSRule")
    if not 1 <= len(elements) <= _MOST:
        raise S3Error("MalformedXML", f"A <CORSConfiguration> has 1 to {_MOST} rules.")
    return [_rule(element) for element in elements]


def render(rules: Iterable[Rule]) -> bytes:
    """The <CORSConfiguration>."""
    return xml.document("CORSConfiguration", *map(_rendered, rules))


def _rule(element: xml.Node) -> Rule:
    methods, origins = xml.texts(element, "AllowedMethod"), xml.texts(element, "AllowedOrigin")
    if not methods or not origins:
        raise S3Error("MalformedXML", "A <CORSRule> needs an <AllowedMethod> and an <AllowedOrigin>.")
    for method in methods:
        if method not in _METHODS:
            raise S3Error(
                "InvalidRequest", f"Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            )
    headers = xml.texts(element, "AllowedHeader")
    for kind, patterns in (("AllowedOrigin", origins), ("AllowedHeader", headers)):
        for pattern in patterns:
            if pattern.count("*") > 1:
                raise S3Error("InvalidRequest", f'{kind} "{pattern}" can not have more than one wildcard.')
    age = xml.text(element, "MaxAgeSeconds")
    if age is not None and not (age.isascii() and age.isdigit() and len(age) <= 10 and int(age) <= _LONGEST_AGE):
        raise S3Error("MalformedXML", "<MaxAgeSeconds> must be a number of seconds.")
    name, exposed = xml.text(element, "ID"), xml.texts(element, "ExposeHeader")
    return Rule(origins, methods, headers, exposed, None if age is None else int(age), name)


def _rendered(rule: Rule) -> str:
    return xml.node(
        "CORSRule",
        xml.optional("ID", rule.name),
        *(xml.leaf("AllowedHeader", header) for header in rule.headers),
        *(xml.leaf("AllowedMethod", method) for method in rule.methods),
        *(xml.leaf("AllowedOrigin", origin) for origin in rule.origins),
        *(xml.leaf("ExposeHeader", header) for header in rule.exposed),
        xml.optional("MaxAgeSeconds", rule.max_age),
    )


def _fits(pattern: str, value: str) -> bool:
    begin, wildcard, end = pattern.partition("*")
    if not wildcard:
        return pattern == value
    return len(value) >= len(begin) + len(end) and value.startswith(begin) and value.endswith(end)
