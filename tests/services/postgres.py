"""A private PostgreSQL of the tests' own: a fresh cluster in a temporary directory, on a free port of 127.0.0.1."""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
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

    def __init__(self, directory: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self._directory = directory
        self._process = process
        self._names = (f"test_{number}" for number in itertools.count(1))
        self.port = port

    @classmethod
    def start(cls) -> Self:
        binaries = _binaries()
        directory = Path(tempfile.mkdtemp(prefix="artifact-store-postgres-"))
        user = _unprivileged_user()
        if os.geteuid() == 0:
            shutil.chown(directory, user)
        data, log = directory / "data", directory / "log"
        initdb = [binaries / "initdb", "--pgdata", data, "--username", "test", "--auth", "trust", "--no-sync"]
        collation = ["--encoding", "UTF8", "--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US"]
        made = subprocess.run(
            _as(user, *initdb, *collation), capture_output=True, text=True, cwd=directory, check=False
        )
        if made.returncode:
            raise PostgresUnavailableError(f"initdb failed: {made.stderr.strip()}")
        port = _free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": directory,
            "max_connections": 300,
            "shared_buffers": "64MB",
            # Nobody pulls the plug on this machine, and the files go at the end.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with log.open("wb") as output:
            process = subprocess.Popen(
                _as(user, binaries / "postgres", "-D", data, *arguments), stdout=output, stderr=output, cwd=directory
            )
        cluster = cls(directory, port, process)
        try:
            cluster._wait_until_ready(binaries, log)
        except BaseException:
            cluster.stop()
            raise
        return cluster

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

    def stop(self) -> None:
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
        self._process.send_signal(2)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _wait_until_ready(self, binaries: Path, log: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        probe = [binaries / "pg_isready", "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        while subprocess.run(probe, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresUnavailableError(f"PostgreSQL did not start: {log.read_text(errors='replace').strip()}")
            time.sleep(0.05)


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


def _as(user: str, *command: object) -> list[str]:
    """The command as that user, ending with this process even when it is killed."""
    switch = [] if os.geteuid() else [f"--reuid={user}", f"--regid={user}", "--init-groups"]
    return ["setpriv", *switch, "--pdeathsig=INT", *map(str, command)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
