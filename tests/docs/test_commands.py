"""Every command that the documentation shows does what it says, against a fresh server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.docs.pages import ROOT, Page, pages
from tests.services.server import Server

TARGETS = {"make run", "make test"}
"""Run for real by test_make, and by every run of the tests."""


def test_every_block_says_what_it_is() -> None:
    """A block of commands is marked `sh`, so that none escapes being run."""
    languages = {(page.name, block.language) for page in pages() for block in page.blocks}
    assert {language for _, language in languages} <= {"sh", "text", "toml", "json", "python", "yaml"}
    assert ("README.md", "sh") in languages


def test_every_make_command_is_known() -> None:
    commands = {command.partition(" ARGS=")[0] for page in pages() for command in page.make_commands}
    assert commands <= TARGETS | {"make bench", "make check"}
    assert commands >= TARGETS


def test_both_commands_are_on_the_first_screen() -> None:
    first = "\n".join((ROOT / "README.md").read_text().splitlines()[:40])
    assert "\nmake run\n" in first
    assert "\nmake test\n" in first


def workplace(directory: Path, server: Server) -> Path:
    """A directory that looks like a fresh clone in which `make run` is running."""
    directory.mkdir()
    for name in ("docs", "config", "tests", "README.md"):
        (directory / name).symlink_to(ROOT / name)
    (directory / ".venv").symlink_to(sys.prefix)
    (directory / "data").symlink_to(server.data_dir)
    return directory


@pytest.mark.parametrize("page", [page for page in pages() if page.script], ids=lambda page: page.name)
def test_the_commands_of_a_page(page: Page, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(root_access_key="", root_secret_key="")
    directory = workplace(tmp_path / "clone", server)
    script = page.script.replace("http://127.0.0.1:9000", server.endpoint_url)
    script = script.replace("http://127.0.0.1:9001", server.registry_url)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ARTIFACT_STORE_"))}
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"set -v\n{script}"],
        cwd=directory,
        env=clean | {"HOME": str(home), "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{server.log[-2000:]}"
    server.stop()


def test_links_lead_somewhere() -> None:
    for page in pages():
        for target in re.findall(r"\]\(([^)#]+)", page.text):
            assert target.startswith("https://") or (page.path.parent / target).exists(), f"{page.name}: {target}"
