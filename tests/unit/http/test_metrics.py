"""What Prometheus sees, of one process and of many."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.http.metrics import Metrics, forget, shared_directory


def samples(exposition: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition.decode())
        for sample in family.samples
    }


def of(operation: str, **labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"operation": operation, **labels}.items()))


def test_requests_are_counted_timed_and_weighed() -> None:
    metrics = Metrics()
    metrics.started("PutObject")
    metrics.finished("PutObject", 200, 0.004, 4096, 0)
    metrics.started("PutObject")
    metrics.finished("PutObject", 403, 0.001, 0, 300)
    metrics.started("GetObject")

    seen = samples(metrics.exposition())
    assert seen["artifact_store_requests_total", of("PutObject", status="200")] == 1
    assert seen["artifact_store_requests_total", of("PutObject", status="403")] == 1
    assert seen["artifact_store_request_seconds_count", of("PutObject")] == 2
    assert seen["artifact_store_request_seconds_sum", of("PutObject")] == pytest.approx(0.005)
    assert seen["artifact_store_request_seconds_bucket", of("PutObject", le="0.001")] == 1
    assert seen["artifact_store_received_bytes_total", of("PutObject")] == 4096
    assert seen["artifact_store_sent_bytes_total", of("PutObject")] == 300
    assert seen["artifact_store_requests_in_flight", ()] == 1


class Engine:
    name = "engine"

    async def put(self, text: str) -> str:
        if not text:
            raise ValueError("empty")
        return text.upper()

    @asynccontextmanager
    async def transaction(self, text: str) -> AsyncIterator[str]:
        yield text.upper()


async def test_calls_and_blocks_are_timed_and_otherwise_untouched() -> None:
    metrics = Metrics()
    engine = metrics.timed("store", Engine(), calls=["put"], blocks=["transaction"])
    assert await engine.put("a") == "A"
    assert engine.name == "engine"
    with pytest.raises(ValueError, match="empty"):
        await engine.put("")
    async with engine.transaction("b") as entered:
        assert entered == "B"
        await asyncio.sleep(0.01)
    with pytest.raises(ValueError, match="inside"):
        async with engine.transaction("c"):
            raise ValueError("inside")
    seen = samples(metrics.exposition())
    assert seen["artifact_store_call_seconds_count", (("call", "put"), ("engine", "store"))] == 2
    assert seen["artifact_store_call_seconds_count", (("call", "transaction"), ("engine", "store"))] == 2
    assert seen["artifact_store_call_seconds_sum", (("call", "transaction"), ("engine", "store"))] >= 0.01


def test_workers_count_together_and_what_died_is_not_in_flight() -> None:
    with shared_directory():
        metrics = Metrics()
        child = os.fork()
        if not child:
            metrics.started("PutObject")
            metrics.finished("PutObject", 200, 0.1, 0, 0)
            metrics.started("PutObject")
            os._exit(0)
        os.waitpid(child, 0)
        metrics.started("PutObject")
        metrics.finished("PutObject", 200, 0.1, 0, 0)
        assert samples(metrics.exposition())["artifact_store_requests_total", of("PutObject", status="200")] == 2
        assert samples(metrics.exposition())["artifact_store_requests_in_flight", ()] == 1
        forget(child)
        assert samples(metrics.exposition())["artifact_store_requests_total", of("PutObject", status="200")] == 2
        assert samples(metrics.exposition())["artifact_store_requests_in_flight", ()] == 0
