"""One measured run after another: servers take turns, so that what drifts on the machine drifts for all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import md5, sha256
from pathlib import Path
from statistics import median

from bench import process
from bench.load import Client, Load
from bench.peers.server import Dialect, Server
from bench.request import MIB, UNIQUE, Body, Request
from bench.workload import Operation, Workload, listed_key, page_starts, stored_key

CEILING = "SHA-256 + MD5, one thread"
_WARM_UP_SECONDS = 0.5
_WARM_UP_REQUESTS = 256
_SPARE = 1.5
"""So many times the requests that the last run's rate asks for are prepared."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: `seconds` a run at most, and `put_bytes`, for PUT lets data grow on the disk."""

    rounds: int
    seconds: float
    put_bytes: int


@dataclass(frozen=True, slots=True)
class Subject:
    server: Server
    dialect: Dialect

    @property
    def name(self) -> str:
        return f"{self.server.name}, {self.dialect.name}" if self.dialect.name else self.server.name

    @property
    def slug(self) -> str:
        return self.dialect.name.replace(" ", "-") or "plain"


@dataclass(frozen=True, slots=True)
class Run:
    """A load and what it cost the server. `other_cores`: how much of the machine somebody else used meanwhile."""

    load: Load
    server_cpu_seconds: float
    peak_memory: int
    other_cores: float


@dataclass
class Result:
    workload: Workload
    subject: str
    runs: list[Run] = field(default_factory=list)

    def _median(self, figure: Callable[[Run], float]) -> float:
        return median(figure(run) for run in self.runs)

    @property
    def requests_per_second(self) -> float:
        return self._median(lambda run: run.load.requests / run.load.seconds)

    @property
    def bytes_per_second(self) -> float:
        return self._median(lambda run: max(run.load.bytes_received, run.load.bytes_sent) / run.load.seconds)

    @property
    def server_cpu_us(self) -> float:
        """Server CPU time per request, in µs."""
        return self._median(lambda run: run.server_cpu_seconds / run.load.requests * 1e6)

    @property
    def client_cpu_us(self) -> float:
        return self._median(lambda run: run.load.client_cpu_seconds / run.load.requests * 1e6)

    @property
    def p50_us(self) -> float:
        return self._median(lambda run: run.load.p50_us)

    @property
    def p99_us(self) -> float:
        return self._median(lambda run: run.load.p99_us)

    @property
    def peak_memory(self) -> int:
        return max(run.peak_memory for run in self.runs)

    @property
    def other_cores(self) -> float:
        return self._median(lambda run: run.other_cores)

    @property
    def errors(self) -> int:
        return sum(run.load.errors for run in self.runs)


@dataclass(frozen=True, slots=True)
class Bench:
    client: Client
    filler: Path
    effort: Effort
    progress: Callable[[str], None]

    def fill(self, server: Server, workloads: Sequence[Workload]) -> None:
        """Put what the workloads GET and list."""
        dialect = server.dialects[0]
        stored = {w.size: w.objects for w in workloads if w.operation is Operation.GET}
        for size, objects in stored.items():
            self._put(server, [dialect.put(stored_key(size, i), self._body(size)) for i in range(objects)])
        if dialect.list_page("") is not None:
            for objects in {w.objects for w in workloads if w.operation is Operation.LIST}:
                self._put(server, [dialect.put(listed_key(i), self._body(UNIQUE)) for i in range(objects)])

    def _put(self, server: Server, requests: Sequence[Request]) -> None:
        self.client.prepare(requests)
        load = self.client.run(server.address, min(64, len(requests)))
        if load.errors:
            raise RuntimeError(f"{server.name} did not take what is to be read: {load}")

    def _body(self, size: int) -> Body:
        return Body.fresh(self.filler, size)

    def measure(self, workload: Workload, subjects: Sequence[Subject]) -> list[Result]:
        taking_part = [s for s in subjects if workload.operation is not Operation.LIST or s.dialect.list_page("")]
        results = [Result(workload, subject.name) for subject in taking_part]
        for subject in taking_part:
            self._check(workload, subject)
        rates = [self._warm_up(workload, subject) for subject in taking_part]
        for number in range(1, self.effort.rounds + 1):
            for index, (subject, result) in enumerate(zip(taking_part, results, strict=True)):
                self.progress(f"{workload.name}: {subject.name} ({number} of {self.effort.rounds})")
                count = self._count(workload, rates[index])
                run = self._run(workload, subject, self._requests(workload, subject, f"{number}", count))
                rates[index] = max(rates[index], run.load.requests / run.load.seconds)
                result.runs.append(run)
        return results

    def _check(self, workload: Workload, subject: Subject) -> None:
        """A server that answers fast and wrong is not measured."""
        server, dialect = subject.server, subject.dialect
        if workload.operation is Operation.LIST:
            page = dialect.list_page(page_starts(workload.objects, 1)[0])
            right = page is not None and server.exchange(page)[1].count(b"<Key>") == workload.size
        else:
            key, body = f"check/{subject.slug}/{workload.slug}", self._body(workload.size)
            put, _ = server.exchange(dialect.put(key, body))
            got, content = server.exchange(dialect.get(key))
            right = put in {200, 201} and got == 200 and sha256(content).hexdigest() == body.sha256()
        if not right:
            raise RuntimeError(f"{subject.name} does not keep or tell what it was given: {workload.name}")

    def _count(self, workload: Workload, rate: float) -> int:
        """How many requests are prepared for a run."""
        if workload.operation is Operation.PUT:
            wanted = int(min(rate * self.effort.seconds * _SPARE, self.effort.put_bytes / workload.size))
            return max(2, workload.clients, wanted)
        return workload.objects if workload.operation is Operation.GET else 512

    def _warm_up(self, workload: Workload, subject: Subject) -> float:
        """Requests per second of a run that does not count."""
        count = min(_WARM_UP_REQUESTS, self._count(workload, _WARM_UP_REQUESTS))
        self.client.prepare(self._requests(workload, subject, "0", count))
        repeat = workload.operation is not Operation.PUT
        load = self.client.run(subject.server.address, workload.clients, seconds=_WARM_UP_SECONDS, repeat=repeat)
        if load.errors:
            raise RuntimeError(f"{subject.name} failed {workload.name}: {load}")
        return load.requests / load.seconds

    def _requests(self, workload: Workload, subject: Subject, run: str, count: int) -> Iterator[Request]:
        dialect, size = subject.dialect, workload.size
        if workload.operation is Operation.PUT:
            prefix = f"put/{workload.slug}/{subject.slug}/{run}"
            for i in range(count):
                yield dialect.put(f"{prefix}/{i // 1000:04}/{i:07}", self._body(size))
        elif workload.operation is Operation.GET:
            for i in range(count):
                yield dialect.get(stored_key(size, i))
        else:
            for start in page_starts(workload.objects, count):
                request = dialect.list_page(start)
                if request is not None:
                    yield request

    def _run(self, workload: Workload, subject: Subject, requests: Iterator[Request]) -> Run:
        self.client.prepare(requests)
        # What earlier runs left to be written would be paid by this one.
        os.sync()
        pids = process.tree(subject.server.pid)
        process.reset_peak_memory(pids)
        cpu, busy, started = process.cpu_seconds(pids), process.busy_seconds(), time.monotonic()
        load = self.client.run(
            subject.server.address,
            workload.clients,
            seconds=self.effort.seconds,
            repeat=workload.operation is not Operation.PUT,
        )
        elapsed = time.monotonic() - started
        server_cpu = process.cpu_seconds(pids) - cpu
        other = process.busy_seconds() - busy - server_cpu - load.client_cpu_seconds
        return Run(load, server_cpu, process.peak_memory(pids), max(0.0, other / elapsed))

    def hash_ceiling(self) -> float:
        """Bytes per second that one thread of this machine hashes with SHA-256 and MD5: median of the rounds."""
        return median(self._hash_once() for _ in range(self.effort.rounds))

    def _hash_once(self) -> float:
        first, second, size = sha256(), md5(usedforsecurity=False), 256 * MIB
        with self.filler.open("rb") as file:
            started = time.thread_time()
            for _ in range(0, size, MIB):
                piece = file.read(MIB)
                first.update(piece)
                second.update(piece)
        return size / (time.thread_time() - started)
