"""python -m bench: measure the server's capacity on this machine, beside others, in one run."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click

from bench.load import Client
from bench.measure import Bench, Effort, Result, Subject
from bench.peers.artifact_store import ArtifactStore
from bench.peers.nginx import Nginx
from bench.peers.server import Server
from bench.place import fresh_directory
from bench.report import document, table
from bench.request import MIB, write_filler
from bench.workload import SIZES, workloads

PEERS: dict[str, type[Server]] = {peer.name: peer for peer in (Nginx, ArtifactStore)}
CACHE = Path(".cache/bench")
FULL = Effort(rounds=3, seconds=4.0, put_bytes=1024 * MIB)
QUICK = Effort(rounds=2, seconds=1.5, put_bytes=512 * MIB)


@click.command()
@click.option("--quick", is_flag=True, help="Fewer and shorter runs and one way of signing: at most two minutes.")
@click.option("--json", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures here.")
@click.option("--workload", "patterns", multiple=True, help="Only workloads with such a name: 'PUT*', '*4 KiB*'.")
@click.option("--peer", "names", multiple=True, type=click.Choice(list(PEERS)), help="Only these servers.")
@click.option(
    "--directory",
    default="/var/tmp",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    show_default=True,
    help="On the disk to be measured; holds some GiB while it runs.",
)
def main(quick: bool, output: Path | None, patterns: tuple[str, ...], names: tuple[str, ...], directory: Path) -> None:  # noqa: FBT001
    """Measure the server's capacity on this machine, beside other servers, in one run.

    Prints each workload's rate and server CPU time per request, their ratios to nginx, and what SHA-256 and MD5
    allow. On a machine that others use too, server CPU time per request is the figure to trust.
    """
    chosen = [
        workload
        for workload in workloads(listed=10_000 if quick else 100_000)
        if not patterns or any(fnmatch(workload.name, pattern) for pattern in patterns)
    ]
    if not chosen:
        raise click.UsageError("No workload has such a name.")
    peers = [PEERS[name] for name in names or PEERS]
    for program in ("cc", *(peer.program for peer in peers)):
        if shutil.which(program) is None:
            raise click.ClickException(f"{program} is not there: install it (docs/performance.md).")
    with ExitStack() as stack:
        place = stack.enter_context(fresh_directory(directory))
        filler = place / "filler"
        write_filler(filler, max(SIZES))
        bench = Bench(Client.compile(CACHE, place, filler), filler, QUICK if quick else FULL, _progress)
        servers = [peer(place / peer.name) for peer in peers]
        for server in servers:
            _progress(f"starting {server.name}")
            stack.callback(server.stop)
            server.start()
            server.prepare()
            bench.fill(server, chosen)
        dialects = slice(1) if quick else slice(None)
        subjects = [Subject(server, dialect) for server in servers for dialect in server.dialects[dialects]]
        results: list[Result] = []
        for workload in chosen:
            results += bench.measure(workload, subjects)
        ceiling = bench.hash_ceiling()
        told: list[dict[str, Any]] = [
            {"name": server.name, "version": server.version(), "start_seconds": server.start_seconds}
            for server in servers
        ]
    _progress("")
    click.echo(table(results, reference=Nginx.name, hash_ceiling=ceiling))
    if output is not None:
        output.write_text(json.dumps(document(results, told, hash_ceiling=ceiling), indent=1) + "\n")


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{line}", err=True, nl=False)
    elif line:
        click.echo(line, err=True)


if __name__ == "__main__":
    main()
