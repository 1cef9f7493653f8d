"""What the server counts and times, for Prometheus, summed over all workers.

The workers share a directory of memory-mapped files (prometheus_client's multiprocess mode). Label children
are looked up once each: counting a request costs a few microseconds.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, NamedTuple

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


@contextmanager
def shared_directory() -> Iterator[None]:
    """While the block runs, all processes begun in it count together."""
    with tempfile.TemporaryDirectory(prefix="artifact-store-metrics-", ignore_cleanup_errors=True) as directory:
        os.environ[_DIRECTORY] = directory
        try:
            yield
        finally:
            del os.environ[_DIRECTORY]


def forget(pid: int) -> None:
    """Drop what only a living process has, such as its requests in flight; its counts stay."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


class _Process:
    """The id of this process, which the library asks for with every count: the system is asked once."""

    id = os.getpid()

    @classmethod
    def current(cls) -> int:
        return cls.id

    @classmethod
    def forked(cls) -> None:
        cls.id = os.getpid()


os.register_at_fork(after_in_child=_Process.forked)


class _Answered(NamedTuple):
    """The children of one operation and status."""

    requests: Counter
    seconds: Histogram
    received: Counter
    sent: Counter


class Metrics:
    """The metrics of one process. Made once per process: names are registered for ever."""

    def __init__(self) -> None:
        # The library chose when it was imported; the directory may have been named since.
        several = _DIRECTORY in os.environ
        values.ValueClass = values.MultiProcessValue(_Process.current) if several else values.MutexValue  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        registry = self._registry
        self._requests = Counter(
            "artifact_store_requests", "Requests answered.", ("operation", "status"), registry=registry
        )
        self._seconds = Histogram(
            "artifact_store_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ("operation",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._received = Counter(
            "artifact_store_received_bytes", "Bytes of request bodies.", ("operation",), registry=registry
        )
        self._sent = Counter(
            "artifact_store_sent_bytes", "Bytes of answers' bodies.", ("operation",), registry=registry
        )
        self._in_flight = Gauge(
            "artifact_store_requests_in_flight",
            "Requests begun and not yet answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._calls = Histogram(
            "artifact_store_call_seconds",
            "Time of calls to the store and to the database.",
            ("engine", "call"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._answered: dict[tuple[str, int], _Answered] = {}

    def started(self, operation: str) -> None:  # noqa: ARG002  (which one it is counts when it is finished)
        """A request began. Every call is followed by one of `finished`."""
        self._in_flight.inc()

    def finished(self, operation: str, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        """A request was answered, or given up: then `status` is the one that was meant."""
        children = self._answered.get((operation, status))
        if children is None:
            children = self._answered[operation, status] = _Answered(
                self._requests.labels(operation, status),
                self._seconds.labels(operation),
                self._received.labels(operation),
                self._sent.labels(operation),
            )
        self._in_flight.dec()
        children.requests.inc()
        children.seconds.observe(seconds)
        if bytes_in:
            children.received.inc(bytes_in)
        if bytes_out:
            children.sent.inc(bytes_out)

    def timed(self, engine: str, target: object, *, calls: Iterable[str], blocks: Iterable[str] = ()) -> Any:
        """The same object, with calls to `engine` timed: its coroutine methods `calls`, and the whole `async with`
        blocks over what its methods `blocks` return."""
        wrapped: dict[str, Callable[..., Any]] = {}
        for name in calls:
            wrapped[name] = _observed_call(getattr(target, name), self._calls.labels(engine, name))
        for name in blocks:
            wrapped[name] = _observed_block(getattr(target, name), self._calls.labels(engine, name))
        return _Timed(target, wrapped)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes: of all workers where they share a directory, else of this process."""
        if _DIRECTORY not in os.environ:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
        return generate_latest(everyone)


def metrics_route(metrics: Metrics) -> web.RouteDef:
    """`/metrics`. Rendered in a thread: it reads a file per worker and kind."""

    async def scrape(_request: web.Request) -> web.Response:
        body = await asyncio.to_thread(metrics.exposition)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return web.get("/metrics", scrape)


class _Timed:
    """Passes everything on to its target, but for the methods that are wrapped."""

    def __init__(self, target: object, wrapped: dict[str, Callable[..., Any]]) -> None:
        self._target = target
        for name, method in wrapped.items():
            setattr(self, name, method)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


def _observed_call(method: Callable[..., Awaitable[Any]], seconds: Histogram) -> Callable[..., Awaitable[Any]]:
    async def observed(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return await method(*arguments, **options)
        finally:
            seconds.observe(time.perf_counter() - began)

    return observed


def _observed_block(
    method: Callable[..., AbstractAsyncContextManager[Any]], seconds: Histogram
) -> Callable[..., AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def observed(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
        began = time.perf_counter()
        try:
            async with method(*arguments, **options) as entered:
                yield entered
        finally:
            seconds.observe(time.perf_counter() - began)

    return observed
