"""What every stock client can be asked to do, whatever its own words for it are."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.services import clients
from tests.services.server import Server

_PROGRAMS = Path(__file__).parent / "programs"


class ClientFailedError(Exception):
    """The client ended with an error. The message is everything that it printed."""


@dataclass(frozen=True)
class Endpoint:
    """One listener and the credentials to use there."""

    url: str
    region: str
    access_key: str
    secret_key: str
    ca_file: Path | None = None

    @classmethod
    def of(cls, server: Server) -> Self:
        """The server's S3 listener, for its administrator."""
        return cls(server.endpoint_url, server.region, server.access_key, server.secret_key, server.ca_file)

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.partition("://")[2]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that AWS's own tools read, and S3_ENDPOINT for the programs beside this file."""
        variables = {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "S3_ENDPOINT": self.url,
        }
        return variables | ({"AWS_CA_BUNDLE": str(self.ca_file)} if self.ca_file else {})


class Tool:
    """A program at an endpoint. It runs in `home`, with nothing from the user's environment or configuration."""

    timeout = 120.0
    """Seconds that one command may take."""

    def __init__(self, endpoint: Endpoint, home: Path) -> None:
        self.endpoint = endpoint
        self.home = home
        self.environment = endpoint.environment | {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.configure()

    def configure(self) -> None:
        """Write the configuration file or set the variables that the client wants."""

    def run(self, *command: object) -> str:
        """Run a command to its end; returns its standard output. Raises `ClientFailedError`."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=self.timeout,
            check=False,
        )
        if done.returncode:
            raise ClientFailedError(f"{Path(str(command[0])).name}: exit {done.returncode}\n{done.stderr}{done.stdout}")
        return done.stdout

    def digest(self, *command: object) -> str:
        """Run a command to its end; returns the SHA-256 (hex) of its standard output. Raises `ClientFailedError`."""
        sha256 = hashlib.sha256()
        with (
            tempfile.TemporaryFile(mode="w+") as errors,
            subprocess.Popen(
                [str(word) for word in command],
                cwd=self.home,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=errors,
            ) as process,
        ):
            while block := process.stdout.read(1 << 20) if process.stdout else b"":
                sha256.update(block)
            if process.wait():
                errors.seek(0)
                raise ClientFailedError(f"{Path(str(command[0])).name}: exit {process.returncode}\n{errors.read()}")
        return sha256.hexdigest()


class Client(ABC, Tool):
    """A stock client that keeps trees of files. Whatever fails raises `ClientFailedError`."""

    #: What the client prints when the secret key is wrong, and when the access key is unknown.
    wrong_secret = "SignatureDoesNotMatch"
    unknown_key = "InvalidAccessKeyId"

    #: Whether `push` cuts a file of 20 MiB into parts.
    multipart = True

    @abstractmethod
    def push(self, tree: Path, bucket: str, prefix: str) -> None:
        """Upload every file below `tree`; its key is `prefix` (which ends with a slash) and its relative path."""

    @abstractmethod
    def listing(self, bucket: str, prefix: str) -> dict[str, int]:
        """Sizes by key of everything below `prefix`."""

    @abstractmethod
    def pull(self, bucket: str, prefix: str, tree: Path) -> None:
        """Download everything below `prefix` into the directory `tree`."""

    @abstractmethod
    def remove(self, bucket: str, prefix: str) -> None:
        """Delete everything below `prefix`."""


class Library(Client):
    """A client that is a library: a program of ours, in `programs`, does with it what is asked."""

    program: str

    def command(self) -> tuple[object, ...]:
        return clients.python(), _PROGRAMS / self.program

    def push(self, tree: Path, bucket: str, prefix: str) -> None:
        self.run(*self.command(), "push", tree, bucket, prefix)

    def listing(self, bucket: str, prefix: str) -> dict[str, int]:
        lines = (line.split("\t", 1) for line in self.run(*self.command(), "list", bucket, prefix).splitlines())
        return {key: int(size) for size, key in lines}

    def pull(self, bucket: str, prefix: str, tree: Path) -> None:
        self.run(*self.command(), "pull", tree, bucket, prefix)

    def remove(self, bucket: str, prefix: str) -> None:
        self.run(*self.command(), "remove", bucket, prefix)


class OwnLibrary(Library):
    """A library of the project's development environment."""

    def command(self) -> tuple[object, ...]:
        return sys.executable, _PROGRAMS / self.program
