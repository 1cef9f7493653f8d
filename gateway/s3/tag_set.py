"""Tag sets on the wire: documents, the header `x-amz-tagging`, and S3's limits.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus

from gateway.s3 import xml
from gateway.s3.errors import S3Error

OF_AN_OBJECT = 10
OF_A_BUCKET = 50
"""How many tags each may have."""
_KEY, _VALUE = 128, 256
_CHARACTERS = re.compile(r"[\w\s+\-=.:/@]*")


def parse(document: xml.Node, most: int) -> Mapping[str, str]:
    """The tags of a <Tagging> document that was parsed with `Tag` as a list. Raises InvalidTag for what cannot be."""
    sets = document.get("TagSet")
    if "TagSet" not in document or isinstance(sets, str | list):
        raise S3Error("MalformedXML", "<Tagging> must hold one <TagSet>.")
    pairs = []
    for element in xml.children(sets or {}, "Tag"):
        key, value = xml.text(element, "Key"), xml.text(element, "Value")
        if key is None or value is None:
            raise S3Error("MalformedXML", "A <Tag> needs a <Key> and a <Value>.")
        pairs.append((key, value))
    return _checked(pairs, most)


def of_header(said: str) -> Mapping[str, str]:
    """The tags in `x-amz-tagging`, which is written like a query string."""
    pairs = []
    for pair in said.split("&"):
        if pair:
            key, _, value = pair.partition("=")
            pairs.append((unquote_plus(key), unquote_plus(value)))
    return _checked(pairs, OF_AN_OBJECT)


def render(tags: Mapping[str, str]) -> bytes:
    """The <Tagging> document."""
    rendered = (xml.node("Tag", xml.leaf("Key", key), xml.leaf("Value", value)) for key, value in tags.items())
    return xml.document("Tagging", xml.node("TagSet", *rendered))


def _checked(pairs: Iterable[tuple[str, str]], most: int) -> Mapping[str, str]:
    tags: dict[str, str] = {}
    for key, value in pairs:
        if not 1 <= len(key) <= _KEY or not _CHARACTERS.fullmatch(key):
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", fields={"TagKey": key})
        if len(value) > _VALUE or not _CHARACTERS.fullmatch(value):
            raise S3Error("InvalidTag", "The TagValue you have provided is invalid", fields={"TagKey": key})
        if key.startswith("aws:"):
            raise S3Error("InvalidTag", "System tags cannot be added/updated by requester", fields={"TagKey": key})
        if key in tags:
            raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key", fields={"TagKey": key})
        tags[key] = value
    if len(tags) > most:
        raise S3Error("InvalidTag", f"There cannot be more than {most} tags.")
    return dict(sorted(tags.items()))
