"""A private PostgreSQL of the tests' own: a fresh cluster in a temporary directory, on a free port of 127.0.0.1."""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

_START_SECONDS = 60


class PostgresUnavailableError(RuntimeError):
    """PostgreSQL could not be installed or started; the message says what to do."""


class Postgres:
    """A running cluster. Its default collation is ICU's, not byte order, as an operator's may be."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names = (f"test_{number}" for number in itertools.count(1))
        self.port = _free_port()

    @classmethod
    def start(cls) -> Self:
        """Make a cluster and start it. Raises PostgresUnavailableError."""
        directory = Path(tempfile.mkdtemp(prefix="artifact-store-postgres-"))
        if os.geteuid() == 0:
            shutil.chown(directory, _unprivileged_user())
        cluster = cls(directory)
        initdb = ["initdb", "--pgdata", directory / "data", "--username", "test", "--auth", "trust", "--no-sync"]
        collation = ["--encoding", "UTF8", "--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US"]
        made = subprocess.run(
            cluster._command(*initdb, *collation), capture_output=True, text=True, cwd=directory, check=False
        )
        if made.returncode:
            raise PostgresUnavailableError(f"initdb failed: {made.stderr.strip()}")
        cluster.resume()
        return cluster

    def resume(self) -> None:
        """Start it, or start it again after `interrupt`, on the same port with the same data."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._directory,
            "max_connections": 300,
            "shared_buffers": "64MB",
            # Nobody pulls the plug on this machine, and the files go at the end.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", self._directory / "data", *arguments),
                stdout=output,
                stderr=output,
                cwd=self._directory,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def interrupt(self) -> None:
        """Stop it as an operator in a hurry does; the data stay."""
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Stop it for good; the data go."""
        self.interrupt()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def url(self) -> str:
        """The URL of the cluster without a database."""
        return f"postgresql+asyncpg://test@127.0.0.1:{self.port}"

    def fresh_database(self) -> str:
        """Create an empty database; returns its URL."""
        name = next(self._names)
        self.execute(f'CREATE DATABASE "{name}"')
        return f"{self.url}/{name}"

    def execute(self, statement: str, *, database: str = "postgres") -> str:
        """Run one statement and return psql's unadorned output. For set-up and for looking in from outside."""
        host = ["--host", "127.0.0.1", "--port", str(self.port), "--username", "test", "--dbname", database]
        return subprocess.run(
            [_binaries() / "psql", *host, "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "-c", statement],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        probe = [_binaries() / "pg_isready", "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        while subprocess.run(probe, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresUnavailableError(
                    f"PostgreSQL did not start: {self._log.read_text(errors='replace').strip()}"
                )
            time.sleep(0.05)

    def _command(self, program: str, *arguments: object) -> list[str]:
        """PostgreSQL's program as an unprivileged user, ending with this process even when that is killed."""
        user = _unprivileged_user()
        switch = [] if os.geteuid() else [f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return ["setpriv", *switch, "--pdeathsig=INT", str(_binaries() / program), *map(str, arguments)]


def _binaries() -> Path:
    """The directory of the newest PostgreSQL there is; installs Debian's when there is none and root may."""
    if found := _installed():
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise PostgresUnavailableError("The tests need PostgreSQL's server programs: install the package postgresql.")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "postgresql"]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PostgresUnavailableError(f"apt-get {' '.join(command)} failed: {done.stderr.strip()}")
    if found := _installed():
        return found
    raise PostgresUnavailableError("The package postgresql is installed, but its server programs were not found.")


def _installed() -> Path | None:
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _unprivileged_user() -> str:
    """PostgreSQL refuses to run as root."""
    return getpass.getuser() if os.geteuid() else "postgres"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
