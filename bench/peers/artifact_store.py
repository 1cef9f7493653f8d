"""This project's server as it comes: default settings, durable, every request authenticated."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from bench.peers.s3 import Presigned, SignedHeader
from bench.peers.server import HOST, Dialect, Server, free_port

_PREFIX = "ARTIFACT_STORE_"
_ACCESS_KEY = "AKIABENCHBENCHBENCH0"
_SECRET_KEY = "bench" * 8


class ArtifactStore(Server):
    name: ClassVar[str] = "artifact-store"
    program: ClassVar[str] = str(Path(sys.executable).with_name("artifact-store"))

    def __init__(self, directory: Path, database_url: str | None = None) -> None:
        super().__init__(directory)
        self._registry_port = free_port()
        self._database_url = database_url
        host = f"{HOST}:{self.port}"
        self._header = SignedHeader(_ACCESS_KEY, _SECRET_KEY, host)
        self._presigned = Presigned(_ACCESS_KEY, _SECRET_KEY, host)

    def version(self) -> str:
        return version("artifact-store")

    def command(self) -> list[str]:
        return [self.program, "serve"]

    def environment(self) -> Mapping[str, str]:
        settings = {
            "DATA_DIR": str(self.directory / "data"),
            "HOST": HOST,
            "S3_PORT": str(self.port),
            "PORT": str(self._registry_port),
            "ROOT_ACCESS_KEY": _ACCESS_KEY,
            "ROOT_SECRET_KEY": _SECRET_KEY,
        }
        if self._database_url is not None:
            settings["DATABASE_URL"] = self._database_url
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
        return inherited | {_PREFIX + name: value for name, value in settings.items()}

    @property
    def dialects(self) -> Sequence[Dialect]:
        return (self._header, self._presigned)

    def prepare(self) -> None:
        status, body = self.exchange(self._header.create_bucket())
        if status != 200:
            raise RuntimeError(f"the bucket was not created: {status} {body.decode()}")
