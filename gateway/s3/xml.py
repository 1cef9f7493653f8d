"""XML as S3 speaks it. Rendering is ours, for exact escaping; parsing is bounded and refuses DTDs and entities."""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from xml.parsers.expat import ExpatError

import xmltodict

from gateway.s3.errors import S3Error

Node: TypeAlias = Mapping[str, Any]
"""An element that holds elements, as it was parsed."""

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
HOST_ID = base64.b64encode(f"{socket.gethostname()}/{os.getpid()}".encode()).decode()
"""Which process answers; also the header `x-amz-id-2`."""
LIMIT = 1024 * 1024
"""Bytes of the largest document that is read."""

_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def escape(text: str) -> str:
    """Text fit for element content. A parser would turn a bare CR into LF; what XML 1.0 cannot carry becomes U+FFFD."""
    return _SPECIAL.sub(_escaped, text) if _SPECIAL.search(text) else text


def leaf(name: str, value: object) -> str:
    """One element with text."""
    return f"<{name}>{escape(value if isinstance(value, str) else _text(value))}</{name}>"


def optional(name: str, value: object) -> str:
    """One element with text, or nothing for None."""
    return "" if value is None else leaf(name, value)


def node(name: str, *children: str) -> str:
    """One element with elements that are rendered already."""
    return f"<{name}>{''.join(children)}</{name}>"


def document(name: str, *children: str) -> bytes:
    """A whole document in S3's namespace."""
    return f'{DECLARATION}<{name} xmlns="{NAMESPACE}">{"".join(children)}</{name}>'.encode()


def error_document(error: S3Error, resource: str, request_id: str) -> bytes:
    """S3's error document; it has no namespace."""
    fields = {**error.fields, "Resource": resource, "RequestId": request_id, "HostId": HOST_ID}
    extra = "".join(leaf(name, value) for name, value in fields.items())
    return f"{DECLARATION}<Error>{leaf('Code', error.code)}{leaf('Message', error.message)}{extra}</Error>".encode()


def parse(body: bytes, root: str, lists: Iterable[str] = ()) -> Node:
    """The children of a document's root element: text, a mapping, None where empty; a list for each name in `lists`.

    Text is kept to the last space. Raises S3Error MalformedXML, also for a DTD.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise S3Error("MalformedXML", "A document type or entity declaration is not accepted.")
    try:
        parsed = xmltodict.parse(
            body, disable_entities=True, strip_whitespace=False, xml_attribs=False, force_list=tuple(lists)
        )
    except (ExpatError, ValueError, LookupError) as error:
        raise S3Error("MalformedXML", f"The XML you provided was not well-formed: {error}.") from None
    content = parsed.get(root)
    if root not in parsed:
        raise S3Error("MalformedXML", f"The document's root is not <{root}>.")
    return content if isinstance(content, dict) else {}


def text(node: Node, name: str) -> str | None:
    """The text of a child; None where there is no such child. Raises S3Error for a child that is no plain text."""
    if name not in node:
        return None
    value = node[name]
    if value is not None and not isinstance(value, str):
        raise S3Error("MalformedXML", f"<{name}> must occur once and hold text only.")
    return value or ""


def children(node: Node, name: str) -> list[Node]:
    """The children of one name that hold elements themselves. `name` was among `parse`'s lists."""
    values = node.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise S3Error("MalformedXML", f"<{name}> must hold elements.")
    return values


def texts(node: Node, name: str) -> list[str]:
    """The texts of the children of one name. `name` was among `parse`'s lists."""
    values = node.get(name, [])
    if not isinstance(values, list) or not all(value is None or isinstance(value, str) for value in values):
        raise S3Error("MalformedXML", f"<{name}> must hold text only.")
    return [value or "" for value in values]


def _text(value: object) -> str:
    return "true" if value is True else "false" if value is False else str(value)


def _escaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0], "\ufffd")
