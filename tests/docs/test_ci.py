"""The pipelines that the documentation shows do what they say: each step is run as its service would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import StartServer
from tests.docs.pages import ROOT, Page
from tests.services.server import Server

PAGE = Page(ROOT / "docs" / "push-from-ci.md")


def pipelines() -> list[dict[str, Any]]:
    return [yaml.safe_load(block.content) for block in PAGE.blocks if block.language == "yaml"]


def run(script: str, variables: dict[str, str], directory: Path, server: Server) -> None:
    """Run a script with the variables of its job; the server's addresses and keys take the place of those shown."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ARTIFACT_STORE_"))}
    real = {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
    }
    assert variables.keys() >= {"AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        env=kept | variables | real | {"PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "HOME": str(directory)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_pipelines(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    github, gitlab = pipelines()
    (tmp_path / "run-tests").write_text("#!/bin/sh\nmkdir -p results\necho passed > results/report.txt\n")
    (tmp_path / "run-tests").chmod(0o755)
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": ""}
    run("aws s3 mb s3://evidence", environment, tmp_path, server)

    [job] = github["jobs"].values()
    steps = "\n".join(step["run"] for step in job["steps"] if "run" in step)
    run(
        steps, {**job["env"], "GITHUB_RUN_ID": "42", "GITHUB_SHA": "0f0f", "GITHUB_REPOSITORY": "a/b"}, tmp_path, server
    )

    job = gitlab["evidence"]
    shown = {**job["variables"], "CI_PIPELINE_ID": "43", "CI_COMMIT_SHA": "1f1f", "CI_PROJECT_PATH": "a/b"}
    run("\n".join(job["script"]), shown, tmp_path, server)

    keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    listed = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "package", "list", "--url", server.registry_url, "--status", "finalized"],
        env=os.environ | keys,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "evidence/run-42 " in listed.stdout
    assert "evidence/run-43 " in listed.stdout
