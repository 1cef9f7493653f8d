from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from registry.local_copy import Difference, Kind, verify_directory
from registry.manifest import Manifest, ManifestFile

CONTENT = {"run.json": b"{}", "reports/report é+.md": b"# Report", "artifacts/empty.log": b"", ".hidden": b"x"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest_of(content: dict[str, bytes]) -> Manifest:
    files = [ManifestFile(path, len(body), sha256(body), "text/plain", "v") for path, body in content.items()]
    return Manifest("pkg_1", "evidence", "run", 1, None, {}, {}, None, "transient", None, 0, "root", files)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    root = tmp_path / "copy"
    for path, body in CONTENT.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(body)
    (root / ".artifact").mkdir()
    (root / ".artifact" / "SHA256SUMS").write_text("the registry's own")
    return root


def test_a_true_copy(copy: Path) -> None:
    seen: list[str] = []
    assert verify_directory(copy, manifest_of(CONTENT), progress=lambda file: seen.append(file.path)) == []
    assert seen == sorted(CONTENT)


def test_every_difference_is_named(copy: Path) -> None:
    (copy / ".hidden").write_bytes(b"y")
    (copy / "artifacts/empty.log").write_bytes(b"longer")
    (copy / "run.json").unlink()
    (copy / "reports/extra").write_bytes(b"")
    (copy / "reports/.artifact").mkdir()
    (copy / "reports/.artifact/x").write_bytes(b"")
    found = verify_directory(copy, manifest_of(CONTENT))
    assert found == [
        Difference(".hidden", Kind.DIGEST, sha256(b"x"), sha256(b"y")),
        Difference("artifacts/empty.log", Kind.SIZE, "0", "6"),
        Difference("reports/.artifact/x", Kind.EXTRA),
        Difference("reports/extra", Kind.EXTRA),
        Difference("run.json", Kind.MISSING),
    ]
    assert [str(difference) for difference in found][1:] == [
        "artifacts/empty.log: 6 bytes, the manifest says 0",
        "reports/.artifact/x: not in the manifest",
        "reports/extra: not in the manifest",
        "run.json: missing",
    ]


def test_no_link_is_followed(copy: Path) -> None:
    outside = copy.parent / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep/f").write_bytes(b"secret")
    (copy / "link").symlink_to(outside / "deep/f")
    (copy / "way").symlink_to(outside)
    (copy / "pipe").parent.mkdir(exist_ok=True)
    os.mkfifo(copy / "pipe")
    found = verify_directory(
        copy, manifest_of(CONTENT | {"link": b"secret", "way/deep/f": b"secret", "pipe": b"", "reports": b""})
    )
    assert [(difference.path, difference.kind) for difference in found] == [
        ("link", Kind.NOT_A_FILE),
        ("pipe", Kind.NOT_A_FILE),
        ("reports", Kind.NOT_A_FILE),
        ("way", Kind.EXTRA),
        ("way/deep/f", Kind.NOT_A_FILE),
    ]
    assert str(found[0]) == "link: a symbolic link, not a regular file"


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/hostname", "a//b", "./a", "a/.", "nul\x00", "run.json/x", "x" * 300]
)
def test_a_manifest_cannot_lead_out_of_the_directory(copy: Path, path: str) -> None:
    (copy.parent / "outside").write_bytes(b"")
    found = verify_directory(copy, manifest_of(CONTENT | {path: b""}))
    assert [difference.path for difference in found] == [path]
    assert found[0].kind in (Kind.MISSING, Kind.UNREADABLE)


def test_a_name_that_is_not_utf8_is_extra_and_printable(copy: Path) -> None:
    Path(os.fsdecode(os.fsencode(copy) + b"/caf\xe9")).write_bytes(b"")
    [found] = verify_directory(copy, manifest_of(CONTENT))
    assert str(found) == "caf\\xe9: not in the manifest"


def test_a_directory_is_needed(copy: Path) -> None:
    with pytest.raises(NotADirectoryError):
        verify_directory(copy / "run.json", manifest_of(CONTENT))
