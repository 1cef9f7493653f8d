from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.s3 import xml
from gateway.s3.errors import S3Error

LEGAL = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\ufffe\uffff"))


@given(LEGAL)
def test_text_survives_a_parser(text: str) -> None:
    expected = "".join("\ufffd" if char < " " and char not in "\t\n\r" else char for char in text)
    assert (ET.fromstring(xml.document("A", xml.leaf("B", text)))[0].text or "") == expected


@given(st.text())
def test_anything_renders_well_formed(text: str) -> None:
    ET.fromstring(xml.document("A", xml.leaf("B", text)))


def test_escaping() -> None:
    assert xml.leaf("K", "a&<>\"'\r\n\x01\udcff") == "<K>a&amp;&lt;&gt;&quot;'&#13;\n\ufffd\ufffd</K>"
    assert xml.leaf("K", value=True) == "<K>true</K>"
    assert xml.leaf("K", 5) == "<K>5</K>"
    assert xml.optional("K", None) == ""


def test_parse_keeps_spaces_and_makes_lists() -> None:
    parsed = xml.parse(
        b'<Delete xmlns="x">\n <Object><Key> a </Key></Object><Quiet>true</Quiet><Empty/></Delete>',
        "Delete",
        ["Object"],
    )
    (only,) = xml.children(parsed, "Object")
    assert xml.text(only, "Key") == " a "
    assert xml.text(parsed, "Quiet") == "true"
    assert xml.text(parsed, "Empty") == ""
    assert xml.text(parsed, "Missing") is None


def test_parse_a_key_of_spaces_only() -> None:
    parsed = xml.parse(b"<Delete><Object><Key> </Key></Object></Delete>", "Delete", ["Object"])
    assert xml.text(xml.children(parsed, "Object")[0], "Key") == " "


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Delete>",
        b"<Other/>",
        b"not xml",
        b"\xff\xfe\x00",
        b'<!DOCTYPE Delete [<!ENTITY x "y">]><Delete>&x;</Delete>',
        b'<!DOCTYPE Delete SYSTEM "http://127.0.0.1/"><Delete/>',
        b"<Delete>&undefined;</Delete>",
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE D [<!ENTITY x "y">]><Delete>&x;</Delete>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="nonsense"?><Delete/>',
    ],
)
def test_what_is_refused(body: bytes) -> None:
    with pytest.raises(S3Error, match="MalformedXML"):
        xml.parse(body, "Delete")


def test_what_holds_the_wrong_things_is_refused() -> None:
    parsed = xml.parse(b"<D><A><B/></A><A/><C>1</C><C>2</C><O>text</O></D>", "D", ["O"])
    for name in ("A", "C"):
        with pytest.raises(S3Error, match="MalformedXML"):
            xml.text(parsed, name)
    with pytest.raises(S3Error, match="MalformedXML"):
        xml.children(parsed, "O")


def test_a_deep_document_is_no_danger() -> None:
    depth = xml.LIMIT // 8
    assert xml.parse(b"<D>" + b"<a>" * depth + b"</a>" * depth + b"</D>", "D")


def test_error_document() -> None:
    document = xml.error_document(S3Error("NoSuchKey", fields={"Key": "a&b"}), "/b/a&b", "ID")
    root = ET.fromstring(document)
    found = {child.tag: child.text for child in root}
    assert root.tag == "Error"
    assert found == {
        "Code": "NoSuchKey",
        "Message": "The specified key does not exist.",
        "Key": "a&b",
        "Resource": "/b/a&b",
        "RequestId": "ID",
        "HostId": xml.HOST_ID,
    }
