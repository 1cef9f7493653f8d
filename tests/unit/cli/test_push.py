"""What `artifact-store push` says before it asks any server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures import guide_board
from tests.unit.cli.conftest import Command


@pytest.fixture
def push(tmp_path: Path) -> Command:
    """The command with keys, at addresses where nobody listens."""
    command = Command(url="http://127.0.0.1:1", s3_url="http://127.0.0.1:1")
    command.environment |= {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
    return command


@pytest.fixture
def tree(tmp_path: Path) -> str:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "report.md").write_text("report\n")
    return str(tmp_path / "tree")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Say where to"),
        (("--package", "run-1"), "Say where to"),
        (("s3://evidence",), "Say which package"),
        (("s3://evidence/run-1", "--package", "run-1"), "Give either"),
        (("evidence",), "names no package"),
        (("pkg_1",), "not by an id"),
        (("s3://evidence/run-1", "--metadata", "build"), "--metadata 'build': give NAME=VALUE."),
        (("s3://evidence/run-1", "--label", "=x"), "--label '=x': give NAME=VALUE."),
        (("s3://evidence/run-1", "--metadata", "retention_class=x"), "there is an option for it"),
        (("s3://evidence/run-1", "--amend", "--no-finalize"), "--amend makes the next revision"),
        (("s3://evidence/run-1", "--profile", "other"), "'other' is not 'guide-board'"),
        (("s3://evidence/run-1", "--jobs", "0"), "0 is not in the range"),
    ],
)
def test_wrong_usage(push: Command, tree: str, words: tuple[str, ...], told: str) -> None:
    assert told in push.run("push", tree, *words, exit_code=2).stderr


def test_metadata_from_a_file(push: Command, tree: str, tmp_path: Path) -> None:
    for content, told in (("{", "is not JSON"), ("[]", "is not a JSON object")):
        (tmp_path / "metadata.json").write_text(content)
        words = ("push", tree, "s3://e/r", "--metadata-file", str(tmp_path / "metadata.json"))
        assert told in push.refused(*words, exit_code=2)


def test_every_fault_of_a_run_is_named_at_once(push: Command, tmp_path: Path) -> None:
    run = guide_board.write(tmp_path, stdout_size=100)
    (run / "plan.json").unlink()
    (run / "normalized" / "findings.json").write_text("{")
    told = push.run("push", str(run), "s3://evidence", "--profile", "guide-board", exit_code=1).stderr
    assert "is not a directory of guide-board, and nothing was sent:\n  plan.json: is missing\n" in told
    assert "  normalized/findings.json: is not JSON" in told


def test_what_cannot_be_pushed_is_named(push: Command, tree: str) -> None:
    (Path(tree) / "link").symlink_to("report.md")
    told = push.run("push", tree, "s3://evidence/run-1", exit_code=1).stderr
    assert "cannot be pushed as it is:\n  link: is a symbolic link" in told


def test_an_empty_directory(push: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "nothing to push" in push.refused("push", str(tmp_path / "empty"), "s3://e/r", exit_code=1)


def test_without_keys(push: Command, tree: str) -> None:
    push.environment["AWS_SECRET_ACCESS_KEY"] = ""
    assert push.refused("push", tree, "s3://evidence/run-1", exit_code=2).startswith("There are no keys: set ")


def test_keys_from_a_file(push: Command, tree: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.api._DELAYS", ())
    push.environment |= {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    file = tmp_path / "credentials"
    words = ("push", tree, "s3://evidence/run-1", "--credentials", str(file))
    assert "cannot be read" in push.refused(*words, exit_code=2)
    file.write_text("# keys\nexport AWS_ACCESS_KEY_ID=AKID\n")
    assert "There are no keys" in push.refused(*words, exit_code=2)
    file.write_text("# keys\nexport AWS_ACCESS_KEY_ID=AKID\nAWS_SECRET_ACCESS_KEY='se cret'\n")
    assert "No registry answers at http://127.0.0.1:1" in push.refused(*words, exit_code=3)


def test_a_server_address_of_a_client_is_no_setting_of_a_server(push: Command) -> None:
    assert "url" not in json.loads(push.run("config", "--json").stdout)
