"""The command, run in this process on a data directory or a PostgreSQL database of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main


class Command:
    """`artifact-store` with settings in the environment."""

    def __init__(self, **settings: object) -> None:
        self.environment = {f"ARTIFACT_STORE_{name.upper()}": str(value) for name, value in settings.items()}

    def run(self, *arguments: str, exit_code: int = 0) -> Result:
        """Run it and see that it ends with that exit code; without a traceback, whatever it is."""
        result = CliRunner().invoke(main, arguments, env=self.environment, prog_name="artifact-store")
        assert result.exit_code == exit_code, result.output + repr(result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def refused(self, *arguments: str, exit_code: int) -> str:
        """The one line on standard error that says why."""
        result = self.run(*arguments, exit_code=exit_code)
        assert result.stdout == ""
        line = result.stderr.removesuffix("\n")
        assert line.startswith("Error: ")
        assert "\n" not in line
        return line.removeprefix("Error: ")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without a configuration file."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command on an empty data directory."""
    return Command(data_dir=tmp_path / "data")


@pytest.fixture(params=["sqlite", "postgresql"])
def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> Command:
    """The command on a database that has been set up."""
    settings: dict[str, object] = {"data_dir": tmp_path / "data"}
    if request.param == "postgresql":
        fresh: Callable[[], str] = request.getfixturevalue("fresh_database")
        settings["database_url"] = fresh()
    prepared = Command(**settings)
    prepared.run("migrate")
    return prepared
