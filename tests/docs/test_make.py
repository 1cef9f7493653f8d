"""The targets of the Makefile, as a new user meets them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.docs.pages import ROOT
from tests.services.server import environment

# The environment that runs these tests stands for the one that make would make.
MAKE = [
    "make",
    "--silent",
    f"VENV={sys.prefix}",
    *(f"--assume-old={sys.prefix}/.{kind}" for kind in ("runtime", "development")),
]


def make(*arguments: str) -> str:
    done = subprocess.run(
        [*MAKE, *arguments], cwd=ROOT, env=environment({}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_help_is_what_make_alone_shows_and_names_every_target() -> None:
    shown = make()
    assert shown == make("help")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^  ([a-z-]+) +\S", shown, re.MULTILINE)) == targets


def test_test_runs_the_tests() -> None:
    collected = make("test", "ARGS=--collect-only -q tests/docs/test_make.py")
    assert "test_test_runs_the_tests" in collected


def test_run_serves(tmp_path: Path) -> None:
    """Started from the clone, as a new user does, and stopped with Ctrl-C."""
    settings = {"data_dir": tmp_path / "data", "s3_port": 0, "port": 0, "workers": 1}
    output = tmp_path / "output"
    with output.open("wb") as file:
        running = subprocess.Popen(
            [*MAKE, "run"], cwd=ROOT, env=environment(settings), stdout=file, stderr=file, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 60
        while not (url := re.search(r"registry +(\S+)", output.read_text())):
            assert running.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.05)
        with urllib.request.urlopen(f"{url[1]}/health/ready", timeout=60) as answer:
            assert json.load(answer) == {"status": "ok", "database": "ok", "store": "ok"}
        os.killpg(running.pid, signal.SIGINT)
        running.wait(timeout=60)
        assert '"message":"stopped"' in output.read_text()
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert "export AWS_SECRET_ACCESS_KEY=" in output.read_text()
    assert "s3 cp --recursive" in output.read_text()
