"""The figures as a table for people and as JSON for programs."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.measure import CEILING, Result
from bench.request import MIB
from bench.workload import Operation

_HEADER = (
    "workload",
    "server",
    "rate",
    "ratio",
    "server CPU per request",
    "ratio",
    "p50",
    "p99",
    "peak memory",
    "other load",
    "errors",
)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    names = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().splitlines()[0].split()[1]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(names),
        "memory_bytes": int(memory) * 1024,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def table(results: Sequence[Result], *, reference: str, hash_ceiling: float) -> str:
    """Markdown. Ratios are to the server named `reference`: of rates, so that more is better; of CPU, less."""
    rows = [_HEADER, tuple("---" if i < 2 else "---:" for i in range(len(_HEADER)))]
    for result in results:
        base = next((r for r in results if r.workload == result.workload and r.subject == reference), None)
        rows.append(_row(result, base))
    lines = [f"| {' | '.join(cells)} |" for cells in _aligned(rows)]
    return "\n".join([*lines, "", *_ceiling_lines(results, hash_ceiling)])


def _row(result: Result, base: Result | None) -> tuple[str, ...]:
    other = base if base is not result else None
    return (
        result.workload.name,
        result.subject,
        _rate(result),
        f"{result.requests_per_second / other.requests_per_second:.2f}" if other else "",
        _time(result.server_cpu_us),
        f"{result.server_cpu_us / other.server_cpu_us:.2f}" if other and other.server_cpu_us else "",
        _time(result.p50_us),
        _time(result.p99_us),
        f"{result.peak_memory / MIB:,.0f} MiB",
        f"{result.other_cores:.2f}",
        str(result.errors),
    )


def _rate(result: Result) -> str:
    if result.workload.moves_bytes:
        return f"{result.bytes_per_second / 1e6:,.0f} MB/s"
    return f"{result.requests_per_second:,.0f}/s"


def _time(us: float) -> str:
    return f"{us / 1000:,.1f} ms" if us >= 1000 else f"{us:.0f} µs"


def _ceiling_lines(results: Iterable[Result], hash_ceiling: float) -> list[str]:
    lines = [f"{CEILING}: {hash_ceiling / 1e6:,.0f} MB/s."]
    lines += [
        f"{result.workload.name}, {result.subject}: {result.bytes_per_second / hash_ceiling:.2f} of that."
        for result in results
        if result.workload.operation is Operation.PUT and result.workload.moves_bytes
    ]
    return lines


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[list[str]]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    justify = [str.ljust, str.ljust, *[str.rjust] * (len(_HEADER) - 2)]
    return [[place(cell, width) for place, cell, width in zip(justify, row, widths, strict=True)] for row in rows]


def document(results: Iterable[Result], servers: Iterable[dict[str, Any]], *, hash_ceiling: float) -> dict[str, Any]:
    return {
        "machine": machine(),
        "servers": list(servers),
        "hash_ceiling_bytes_per_second": hash_ceiling,
        "results": [
            {
                "workload": result.workload.name,
                "subject": result.subject,
                "requests_per_second": result.requests_per_second,
                "bytes_per_second": result.bytes_per_second,
                "server_cpu_us": result.server_cpu_us,
                "client_cpu_us": result.client_cpu_us,
                "p50_us": result.p50_us,
                "p99_us": result.p99_us,
                "peak_memory_bytes": result.peak_memory,
                "errors": result.errors,
                "runs": [asdict(run) for run in result.runs],
            }
            for result in results
        ],
    }
