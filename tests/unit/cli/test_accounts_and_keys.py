"""`artifact-store account` and `artifact-store key`, on either database."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.unit.cli.conftest import Command


def test_accounts(prepared: Command) -> None:
    created = prepared.json("account", "create", "ci")
    assert created["name"] == "ci"
    assert not created["administrator"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created["created_at"])
    assert prepared.json("account", "create", "boss", "--administrator")["administrator"]

    listed = prepared.json("account", "list")
    assert [account["name"] for account in listed] == ["boss", "ci", "root"]
    assert listed[1] == created

    table = prepared.run("account", "list").stdout.splitlines()
    assert table[0].split() == ["name", "role", "created", "disabled"]
    assert [line.split()[0] for line in table[2:]] == ["boss", "ci", "root"]
    assert "administrator" in table[2]


def test_keys(prepared: Command) -> None:
    prepared.run("account", "create", "ci")
    key = prepared.json("key", "create", "ci", "--description", "the build")
    chosen = prepared.json("key", "create", "ci", "--access-key", "CHOSEN", "--secret-key", "chosen-secret")
    assert (chosen["access_key"], chosen["secret_key"]) == ("CHOSEN", "chosen-secret")
    assert len(key["secret_key"]) == 40

    listed = {entry["access_key"]: entry for entry in prepared.json("key", "list", "ci")}
    assert set(listed) == {key["access_key"], "CHOSEN"}
    assert listed[key["access_key"]].items() >= {"account": "ci", "description": "the build"}.items()
    assert len(prepared.json("key", "list")) == 3

    shown = prepared.run("key", "list").output
    assert key["access_key"] in shown
    assert key["secret_key"] not in shown

    prepared.run("key", "revoke", "CHOSEN")
    listed = {entry["access_key"]: entry for entry in prepared.json("key", "list", "ci")}
    assert listed["CHOSEN"]["revoked_at"] is not None
    assert listed[key["access_key"]]["revoked_at"] is None


def test_a_new_key_can_be_pasted(prepared: Command) -> None:
    result = prepared.run("key", "create", "root")
    assert re.fullmatch(r"export AWS_ACCESS_KEY_ID=\S+\nexport AWS_SECRET_ACCESS_KEY=\S+\n", result.stdout)
    assert result.stderr == "The secret is not shown again.\n"


def test_what_is_refused(prepared: Command) -> None:
    prepared.run("key", "create", "root", "--access-key", "TAKEN", "--secret-key", "chosen-secret")
    for arguments in (
        ("account", "create", "root"),
        ("account", "create", "no spaces"),
        ("key", "create", "nobody"),
        ("key", "create", "root", "--access-key", "TAKEN", "--secret-key", "chosen-secret"),
        ("key", "create", "root", "--access-key", "SHORT", "--secret-key", "short"),
        ("key", "list", "nobody"),
        ("key", "revoke", "UNKNOWN"),
    ):
        message = prepared.refused(*arguments, exit_code=1)
        assert message.endswith((".", "_ -")), message


def test_half_a_key_pair_is_wrong_usage(command: Command) -> None:
    result = command.run("key", "create", "root", "--access-key", "HALF", exit_code=2)
    assert "Give --access-key and --secret-key together, or neither." in result.stderr


def test_a_mistyped_data_directory_is_not_created(command: Command, tmp_path: Path) -> None:
    message = command.refused("account", "list", exit_code=3)
    assert message == (
        f"data_dir (environment ARTIFACT_STORE_DATA_DIR): there is no directory {tmp_path}/data; "
        "name the server's, or create one with `artifact-store migrate`."
    )
    assert not (tmp_path / "data").exists()


def test_a_database_that_was_not_set_up(fresh_database: Callable[[], str], tmp_path: Path) -> None:
    command = Command(data_dir=tmp_path / "data", database_url=fresh_database())
    message = command.refused("account", "list", exit_code=3)
    assert "is at revision none, this program needs " in message
    assert message.endswith("bring it up to date with `artifact-store migrate`.")


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://user:very-secret@127.0.0.1:1/database"
    message = Command(data_dir=tmp_path / "data", database_url=url).refused("account", "list", exit_code=3)
    assert "127.0.0.1" in message
    assert "very-secret" not in message


def test_another_master_key(prepared: Command, tmp_path: Path) -> None:
    (tmp_path / "data" / "master-key").write_text("0f" * 32)
    for arguments in (("migrate",), ("key", "create", "root")):
        message = prepared.refused(*arguments, exit_code=3)
        assert message.startswith("master_key (default): the secrets in the database were encrypted with another one")
    (tmp_path / "data" / "master-key").write_text("damaged")
    assert "is damaged" in prepared.refused("account", "list", exit_code=3)
    (tmp_path / "data" / "master-key").unlink()
    assert "restore it, or set ARTIFACT_STORE_MASTER_KEY" in prepared.refused("account", "list", exit_code=3)
    assert "restore it, or set ARTIFACT_STORE_MASTER_KEY" in prepared.refused("migrate", exit_code=3)
