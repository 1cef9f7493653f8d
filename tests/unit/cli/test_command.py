"""The command as a whole: help, version, settings, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from gateway.settings import SETTINGS
from tests.unit.cli.conftest import Command

COMMANDS = (
    *("push", "pull", "verify", "package", "retention", "hold", "audit"),
    *("serve", "config", "account", "key", "migrate"),
)


def test_version(command: Command) -> None:
    assert command.run("--version").stdout == f"artifact-store {version('artifact-store')}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help(command: Command, name: str) -> None:
    assert f"  {name} " in command.run("--help").stdout
    assert command.run(name, "-h").stdout.startswith(f"Usage: artifact-store {name} ")


def test_an_unknown_command_is_wrong_usage(command: Command) -> None:
    assert "No such command 'serv'" in command.run("serv", exit_code=2).stderr


def test_every_setting_but_secrets_has_a_flag(command: Command) -> None:
    usage = command.run("serve", "--help").stdout
    for setting in SETTINGS:
        assert (setting.flag in usage.split()) is not setting.secret, setting.name


def test_config_shows_values_and_origins(command: Command, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('region = "eu-1"\nport = 9100\n')
    command.environment |= {"ARTIFACT_STORE_REGION": "weaker", "ARTIFACT_STORE_MASTER_KEY": "0f" * 32}
    shown = command.json("config", "--config", "settings.toml", "--port", "9200")
    assert shown["region"] == {
        "value": "eu-1",
        "origin": "file settings.toml",
        "variable": "ARTIFACT_STORE_REGION",
    }
    assert shown["port"]["origin"] == "flag --port"
    assert shown["port"]["value"] == "9200"
    assert shown["master_key"]["value"] == "********"
    assert shown["host"]["origin"] == "default"
    assert set(shown) == {setting.name for setting in SETTINGS}

    table = command.run("config", "--config", "settings.toml", "--port", "9200").stdout
    assert "0f0f" not in table
    rows = {line.split()[0]: line for line in table.splitlines() if line.strip()}
    assert rows["port"].split() == ["port", "9200", "flag", "--port"]
    assert rows["data_dir"].split()[1] == str(tmp_path / "data")


@pytest.mark.parametrize("name", ["serve", "config", "migrate"])
def test_a_bad_setting_stops_with_one_line(command: Command, name: str) -> None:
    command.environment["ARTIFACT_STORE_WORKERS"] = "many"
    assert command.refused(name, exit_code=2) == (
        "workers (environment ARTIFACT_STORE_WORKERS): 'many' is not acceptable; give a whole number from 1 to 1024."
    )


def test_a_flag_is_named_as_such(command: Command) -> None:
    assert command.refused("serve", "--log-level", "loud", exit_code=2) == (
        "log_level (flag --log-level): 'loud' is not acceptable; give one of debug, info, warning, error."
    )


def test_shell_completion() -> None:
    """As docs/configuration.md tells to install it."""
    completed = subprocess.run(
        [sys.executable, "-c", "from gateway.cli import main; main(prog_name='artifact-store')"],
        env=os.environ
        | {"_ARTIFACT_STORE_COMPLETE": "bash_complete", "COMP_WORDS": "artifact-store ac", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout == "plain,account\n"
