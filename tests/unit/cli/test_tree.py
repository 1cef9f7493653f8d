from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from gateway.cli.tree import PART, ChangedError, hashed, scan
from tests.fixtures import trees


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "tree"
    (directory / "reports").mkdir(parents=True)
    (directory / "reports" / "a b+é.md").write_text("report\n")
    (directory / ".hidden").write_text("")
    return directory


def faults(directory: Path, package: str = "run-1") -> list[str]:
    return [str(fault) for fault in scan(directory, package)[1]]


def test_files_are_found_in_byte_order(tree: Path) -> None:
    files, faulty = scan(tree, "run-1")
    assert [(file.path, file.size) for file in files] == [(".hidden", 0), ("reports/a b+é.md", 7)]
    assert faulty == []


def test_what_the_registry_wrote_is_left_out(tree: Path) -> None:
    for directory in (tree, tree / "reports"):
        (directory / ".artifact").mkdir()
        (directory / ".artifact" / "manifest.json").write_text("{}")
    assert [file.path for file in scan(tree, "run-1")[0]] == [
        ".hidden",
        "reports/.artifact/manifest.json",
        "reports/a b+é.md",
    ]


def test_everything_that_cannot_be_pushed_is_named(tree: Path) -> None:
    (tree / "link").symlink_to("reports/a b+é.md")
    (tree / "gone").symlink_to("nowhere")
    (tree / "directory").symlink_to("reports")
    os.mkfifo(tree / "pipe")
    (tree / "two\nlines").write_text("")
    (tree / os.fsdecode(b"latin-\xe9")).write_text("")
    linked = "is a symbolic link; put what it points to in its place, or remove it"
    nameless = "no file of a package can be called so: "
    assert faults(tree) == [
        f"directory: {linked}",
        f"gone: {linked}",
        f"latin-\\xe9: {nameless}A key is valid UTF-8.",
        f"link: {linked}",
        "pipe: is a device, pipe or socket",
        f"two\nlines: {nameless}A key cannot contain control characters (U+0000 to U+001F, U+007F).",
    ]


def test_a_name_is_as_long_as_its_key(tree: Path) -> None:
    assert faults(tree, "p" * 1010) == ["reports/a b+é.md: no file of a package can be called so: Your key is too long"]


def test_what_this_user_may_not_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The superuser may read everything, so that the question itself is answered here.
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith(".hidden"))
    assert faults(tree) == [".hidden: cannot be read: this user may not"]


async def test_a_file_in_slices(tmp_path: Path) -> None:
    digest = trees.write_big_file(tmp_path / "big", 2 * PART + 17)
    [file] = scan(tmp_path, "run-1")[0]
    found = hashed(file)
    content = (tmp_path / "big").read_bytes()
    assert found.sha256 == digest
    assert [(piece.start, piece.size) for piece in found.slices] == [(0, PART), (PART, PART), (2 * PART, 17)]
    for piece in found.slices:
        expected = content[piece.start : piece.start + piece.size]
        assert b"".join([block async for block in piece]) == expected
        assert hashlib.sha256(expected).hexdigest() == piece.sha256


async def test_an_empty_file_is_one_empty_slice(tree: Path) -> None:
    found = hashed(scan(tree, "run-1")[0][0])
    assert found.sha256 == hashlib.sha256(b"").hexdigest()
    assert [piece.size for piece in found.slices] == [0]


@pytest.mark.parametrize("change", ["longer", "shorter", "same size", "replaced", "removed"])
async def test_a_file_that_changes_is_noticed(tree: Path, change: str) -> None:
    path = tree / "reports" / "a b+é.md"
    file = scan(tree, "run-1")[0][1]
    whole = hashed(file).slices[0]
    match change:
        case "replaced":
            (tree / "other").write_text("report\n")
            (tree / "other").replace(path)
        case "removed":
            path.unlink()
        case _:
            path.write_text({"longer": "report\nmore\n", "shorter": "rep", "same size": "REPORT\n"}[change])
            os.utime(path, ns=(0, 0))
    with pytest.raises(ChangedError, match=r"reports/a b\+é.md changed while it was being read"):
        hashed(file)
    with pytest.raises(ChangedError):
        [block async for block in whole]
