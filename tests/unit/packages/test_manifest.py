from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from registry.manifest import MalformedManifestError, Manifest, ManifestFile, decode, encode, encode_whole


def manifest_file(path: str, content: bytes = b"") -> ManifestFile:
    return ManifestFile(path, len(content), hashlib.sha256(content).hexdigest(), "text/plain", "0198f")


MANIFEST = Manifest(
    package_id="pkg_0198f2c0",
    repository="evidence",
    name="run-42",
    revision=2,
    previous="ab" * 32,
    metadata={"run_id": "run-42", "nested": {"ü": [1, 2.5, None, True]}, "\U0001f600": 1, "\ufb33": 2},
    labels={"team": "cmis"},
    producer="guide-board",
    retention_class="raw-evidence",
    expires_at=1_800_000_000_000_000,
    finalized_at=1_795_219_200_000_001,
    finalized_by="root",
    files=(manifest_file("b/c", b"1"), manifest_file("a", b"22"), manifest_file("b-c", b"333")),
)


def test_the_document() -> None:
    document, digest = encode_whole(MANIFEST)
    assert digest == hashlib.sha256(document).hexdigest()
    content = json.loads(document)
    assert content.pop("files") == [
        manifest_file("a", b"22")._asdict(),
        manifest_file("b-c", b"333")._asdict(),
        manifest_file("b/c", b"1")._asdict(),
    ]
    assert content.pop("metadata") == MANIFEST.metadata
    assert content == {
        "schema": "artifact-store.manifest.v1",
        "package": {
            "id": "pkg_0198f2c0",
            "repository": "evidence",
            "name": "run-42",
            "revision": 2,
            "previous": "ab" * 32,
        },
        "labels": {"team": "cmis"},
        "producer": "guide-board",
        "retention": {"class": "raw-evidence", "expires_at": "2027-01-15T08:00:00.000000Z"},
        "finalized_at": "2026-11-21T00:00:00.000001Z",
        "finalized_by": "root",
        "file_count": 3,
        "size": 6,
    }


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_the_pieces_make_the_canonical_document(count: int) -> None:
    manifest = replace(MANIFEST, files=[manifest_file(f"f{index:05d}") for index in range(count)])
    document = b"".join(encode(manifest))
    assert document == rfc8785.dumps(json.loads(document))
    assert len(json.loads(document)["files"]) == count


def test_the_order_in_which_files_come_does_not_matter() -> None:
    shuffled = list(MANIFEST.files)
    random.Random(1).shuffle(shuffled)
    assert encode_whole(replace(MANIFEST, files=shuffled)) == encode_whole(MANIFEST)


paths = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(st.sets(paths, max_size=20))
def test_files_stand_in_byte_order(names: set[str]) -> None:
    document, _ = encode_whole(replace(MANIFEST, files=[manifest_file(name) for name in names]))
    listed = [file["path"].encode() for file in json.loads(document)["files"]]
    assert listed == sorted(listed)


@given(st.dictionaries(paths, st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15) | paths))
def test_decoding_gives_back_what_was_encoded(metadata: dict[str, Any]) -> None:
    manifest = replace(MANIFEST, metadata=metadata, files=tuple(sorted(MANIFEST.files)))
    assert decode(encode_whole(manifest)[0]) == manifest


def test_a_permanent_first_revision() -> None:
    manifest = replace(MANIFEST, previous=None, expires_at=None, producer=None, files=())
    assert decode(encode_whole(manifest)[0]) == manifest


@pytest.mark.parametrize("value", [2**53, float("nan"), "\ud800"])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"safe integer|not representable|non-UTF-8"):
        encode_whole(replace(MANIFEST, metadata={"value": value}))


def broken(**changes: Any) -> bytes:
    content = json.loads(encode_whole(MANIFEST)[0])
    for name, value in changes.items():
        *path, last = name.split("__")
        target = content
        for step in path:
            target = target[int(step) if step.isdecimal() else step]
        target[last] = value
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "schema"),
        (b"{}", "schema"),
        (broken(schema="artifact-store.manifest.v2"), "schema"),
        (broken(package=None), "field package "),
        (broken(package__revision="2"), r"package\.revision .* no integer"),
        (broken(package__revision=True), r"package\.revision"),
        (broken(files={}), "field files .* no array"),
        (broken(files=[1]), r"files\[0\] .* not an object"),
        (broken(files__1__size=None), r"files\[1\]\.size"),
        (broken(files__1__sha256="AB" * 32), r"files\[1\]\.sha256"),
        (broken(files__1__path="a"), "twice"),
        (broken(finalized_at="yesterday"), "finalized_at.*yesterday"),
        (broken(retention={"class": "x"}), r"retention\.expires_at"),
    ],
)
def test_a_broken_manifest_is_refused_by_field(document: bytes, message: str) -> None:
    with pytest.raises(MalformedManifestError, match=message):
        decode(document)


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert decode(broken(attestation="x", package__format="pypi")).name == "run-42"
