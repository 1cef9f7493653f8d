"""What the registry does by itself, a file for each job: `run_once` each, and a scheduler that runs them."""

from __future__ import annotations

from registry.jobs.roster import Ages, Jobs

__all__ = ["Ages", "Jobs"]
