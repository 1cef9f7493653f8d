"""The load client: compiled when it is first needed, run as a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench.request import Request, write_requests

SOURCE = Path(__file__).with_name("load.c")
FLAGS = ("-O2", "-std=gnu17", "-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True, slots=True)
class Load:
    """What the client saw. `statuses`: answers by HTTP status. Times in seconds but for those named in µs."""

    seconds: float
    requests: int
    statuses: dict[str, int]
    closed: int
    stalled: int
    bytes_received: int
    bytes_sent: int
    p50_us: int
    p99_us: int
    max_us: int
    client_cpu_seconds: float

    @property
    def errors(self) -> int:
        return self.closed + self.stalled + sum(n for status, n in self.statuses.items() if not status.startswith("2"))


@dataclass(frozen=True, slots=True)
class Client:
    program: Path
    records: Path
    filler: Path

    @classmethod
    def compile(cls, cache: Path, directory: Path, filler: Path) -> Client:
        """`cache` keeps the program between runs; `directory` takes the request files."""
        source = SOURCE.read_bytes()
        program = cache / f"load-{sha256(source).hexdigest()[:16]}"
        if not program.exists():
            cache.mkdir(parents=True, exist_ok=True)
            partial = program.with_suffix(".partial")
            subprocess.run(["cc", *FLAGS, "-o", partial, SOURCE], check=True)
            partial.rename(program)
        return cls(program, directory / "requests", filler)

    def prepare(self, requests: Iterable[Request]) -> None:
        write_requests(self.records, requests)

    def run(self, address: tuple[str, int], clients: int, *, seconds: float = 0, repeat: bool = False) -> Load:
        """Send the prepared requests, each once, or over and over; for at most `seconds`, where given."""
        options = [*(["-s", str(seconds)] if seconds else []), *(["-r"] if repeat else [])]
        host, port = address
        done = subprocess.run(
            [self.program, *options, host, str(port), str(clients), self.records, self.filler],
            check=True,
            stdout=subprocess.PIPE,
        )
        return Load(**json.loads(done.stdout))
