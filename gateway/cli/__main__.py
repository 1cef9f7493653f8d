"""`python -m gateway.cli`: the command where it is not installed."""

from __future__ import annotations

from gateway.cli import main

main(prog_name="artifact-store")
