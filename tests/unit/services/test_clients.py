from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services import clients


@pytest.mark.parametrize("client", [clients.curl, clients.rclone, clients.restic, clients.node, clients.node_modules])
def test_says_what_is_missing(client: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(clients, "_CACHE", tmp_path / "cache")
    with pytest.raises(clients.ClientUnavailableError, match="The tests need"):
        client()


def test_installs_once_for_each_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clients, "_CACHE", tmp_path)
    installed: list[Path] = []
    for version in ("1", "1", "2"):
        clients._installed("tool", version, installed.append)
    assert installed == [tmp_path / "tool-1", tmp_path / "tool-2"]
    assert not (tmp_path / "tool-1").exists()


def test_starts_anew_after_a_failed_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clients, "_CACHE", tmp_path)

    def half(directory: Path) -> None:
        (directory / "half").touch()
        raise clients.ClientUnavailableError("no network")

    with pytest.raises(clients.ClientUnavailableError):
        clients._installed("tool", "1", half)
    directory = clients._installed("tool", "1", lambda directory: (directory / "whole").touch())
    assert sorted(path.name for path in directory.iterdir()) == [".complete", "whole"]
