"""`artifact-store verify`, which needs no server."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from registry.manifest import Manifest, ManifestFile, encode_whole
from tests.fixtures import trees
from tests.unit.cli.conftest import Command


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of a package, with its manifest."""
    directory = tmp_path / "copy"
    trees.write_small_files(directory, 3)
    files = [
        ManifestFile(path, size, trees.digest(directory / path), "application/octet-stream", "v")
        for path, size in trees.sizes(directory).items()
    ]
    manifest = Manifest("pkg_1", "evidence", "run-1", 1, None, {}, {}, None, "raw-evidence", None, 1, "root", files)
    (directory / ".artifact").mkdir()
    (directory / ".artifact" / "manifest.json").write_bytes(encode_whole(manifest)[0])
    return directory


def digest(copy: Path) -> str:
    return hashlib.sha256((copy / ".artifact" / "manifest.json").read_bytes()).hexdigest()


def test_a_true_copy(command: Command, copy: Path) -> None:
    assert "3 files" in command.run("verify", str(copy)).stdout
    told = command.json("verify", str(copy), "--digest", f"sha256:{digest(copy).upper()}")
    assert told == {
        "package_id": "pkg_1",
        "repository": "evidence",
        "name": "run-1",
        "revision": 1,
        "manifest_sha256": digest(copy),
        "file_count": 3,
        "differences": [],
    }


def test_one_flipped_bit_is_found(command: Command, copy: Path) -> None:
    path = copy / "000" / "00001.dat"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (copy / "extra").touch()
    told = command.run("verify", str(copy), exit_code=1)
    assert "000/00001.dat" in told.stdout
    assert "not in the manifest" in told.stdout
    assert told.stderr.startswith("2 differences from the manifest sha256:")
    result = command.run("verify", str(copy), "--json", exit_code=1)
    assert [(one["path"], one["kind"]) for one in json.loads(result.stdout)["differences"]] == [
        ("000/00001.dat", "digest"),
        ("extra", "extra"),
    ]


def test_another_manifest_is_not_taken_on_trust(command: Command, copy: Path) -> None:
    told = command.refused("verify", str(copy), "--digest", "0" * 64, exit_code=1)
    assert told.endswith(f"is not the one you ask for: its SHA-256 is {digest(copy)}.")


def test_a_manifest_elsewhere_or_none(command: Command, copy: Path, tmp_path: Path) -> None:
    (copy / ".artifact" / "manifest.json").rename(tmp_path / "m.json")
    assert "cannot be read" in command.refused("verify", str(copy), exit_code=2)
    command.run("verify", str(copy), "--manifest", str(tmp_path / "m.json"))
    (tmp_path / "m.json").write_text("{}")
    assert "no manifest of a package" in command.refused(
        "verify", str(copy), "--manifest", str(tmp_path / "m.json"), exit_code=1
    )
