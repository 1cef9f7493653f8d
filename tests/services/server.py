"""The real server: `artifact-store serve` as a process of its own, on free ports, in a directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.services.certificate import Certificate

ACCESS_KEY = "ASTESTROOT"
SECRET_KEY = "root-secret-of-the-tests"
REGION = "us-east-1"
DOMAIN = "s3.localhost"

COMMAND = (sys.executable, "-m", "gateway.cli")

_START_SECONDS = 120


class ServerFailedError(AssertionError):
    """The server did not start or did not stop as it should; the message holds what it said."""


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """This process's environment with exactly these settings of the server, by name.

    Without what a `make test ARGS=...` hands to every make below it.
    """
    ours = ("ARTIFACT_STORE_", "MAKE", "MFLAGS", "ARGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {f"ARTIFACT_STORE_{name.upper()}": str(value) for name, value in settings.items()}


class Server:
    """A running server. Its parent process leads a process group, so that `kill` ends all of it at once."""

    region = REGION

    def __init__(self, directory: Path, settings: Mapping[str, object], certificate: Certificate | None) -> None:
        tls = {} if certificate is None else {"tls_cert": certificate.certificate, "tls_key": certificate.key}
        keys = {"root_access_key": ACCESS_KEY, "root_secret_key": SECRET_KEY}
        defaults = {"data_dir": directory / "data", "s3_port": 0, "port": 0, "workers": 2, "s3_domain": DOMAIN}
        self.settings: dict[str, object] = defaults | keys | tls | dict(settings)
        self.directory = directory
        self.data_dir = Path(str(self.settings["data_dir"]))
        self.access_key = str(self.settings["root_access_key"])
        self.secret_key = str(self.settings["root_secret_key"])
        self.ca_file = certificate.certificate if certificate is not None else None
        self.endpoint_url = ""
        self.registry_url = ""
        directory.mkdir(parents=True, exist_ok=True)
        self._output, self._log = directory / "output", directory / "log"
        with self._output.open("wb") as output, self._log.open("ab") as log:
            self.process = subprocess.Popen(
                # Should the tests be killed, the server goes with them.
                ["setpriv", "--pdeathsig=TERM", *COMMAND, "serve"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                cwd=directory,
                env=environment(self.settings),
                start_new_session=True,
            )

    @classmethod
    def start(cls, directory: Path, *, certificate: Certificate | None = None, **settings: object) -> Self:
        """Start a server and wait until it is ready. `settings` are by name, as in `gateway.settings`."""
        server = cls(directory, settings, certificate)
        try:
            server._wait_until_ready()
        except BaseException:
            server.kill()
            raise
        return server

    @property
    def output(self) -> str:
        """What it printed for people."""
        return self._output.read_text()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def log_lines(self) -> Sequence[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]

    def stop(self, *, exit_code: int = 0) -> None:
        """Stop it as an operator does, and see that it ends well."""
        self.process.send_signal(signal.SIGTERM)
        try:
            ended = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailedError(f"the server did not stop:\n{self.log}") from None
        if ended != exit_code:
            raise ServerFailedError(f"the server ended with exit code {ended}:\n{self.log}")

    def kill(self) -> None:
        """End all its processes at once, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run another `artifact-store` command with the same settings."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=environment(self.settings),
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=check,
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not (urls := re.findall(r"^  (?:S3|registry) +(\S+)", self.output, re.MULTILINE)):
            self._wait(deadline)
        self.endpoint_url, self.registry_url = urls
        while not self._ready():
            self._wait(deadline)

    def _ready(self) -> bool:
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file is not None else None
        try:
            with urllib.request.urlopen(f"{self.registry_url}/health/ready", timeout=10, context=context):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def _wait(self, deadline: float) -> None:
        if self.process.poll() is not None or time.monotonic() > deadline:
            raise ServerFailedError(f"the server did not start:\n{self.output}\n{self.log}")
        time.sleep(0.05)
