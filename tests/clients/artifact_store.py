"""`artifact-store` as a client of a server: in this process, or in one that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from gateway.cli import main
from tests.services.server import COMMAND, Server


class ArtifactStore:
    """The command with a server's addresses and its administrator's keys in the environment."""

    def __init__(self, server: Server) -> None:
        self.environment = {
            "ARTIFACT_STORE_URL": server.registry_url,
            "ARTIFACT_STORE_S3_URL": server.endpoint_url,
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_REGION": server.region,
        } | ({"AWS_CA_BUNDLE": str(server.ca_file)} if server.ca_file else {})

    def run(self, *words: object, exit_code: int = 0) -> Result:
        """Run it and see that it ends with that exit code; without a traceback, whatever it is."""
        result = CliRunner().invoke(main, list(map(str, words)), env=self.environment, prog_name="artifact-store")
        assert result.exit_code == exit_code, result.output + repr(result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    def json(self, *words: object) -> Any:
        return json.loads(self.run(*words, "--json").stdout)

    def refused(self, *words: object, exit_code: int = 1) -> str:
        """The one line that says why."""
        result = self.run(*words, exit_code=exit_code)
        assert result.stdout == ""
        line = result.stderr.removesuffix("\n")
        assert line.startswith("Error: ")
        assert "\n" not in line
        return line.removeprefix("Error: ")

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        """Start it as a process of its own."""
        return subprocess.Popen(
            [*COMMAND, *map(str, words)],
            env=os.environ | self.environment,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
