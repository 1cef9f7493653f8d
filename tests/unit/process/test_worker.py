"""What a worker's exit code tells the supervisor."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.keyring import KeyringError
from gateway.process import worker
from gateway.process.listeners import Listeners
from gateway.process.supervisor import CANNOT_START
from gateway.settings import Settings

Work = Callable[[], int]


@pytest.fixture(autouse=True)
def _process() -> Iterator[None]:
    """What a worker changes in its process."""
    root, on_term = logging.getLogger(), signal.getsignal(signal.SIGTERM)
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)
    signal.signal(signal.SIGTERM, on_term)


@pytest.fixture(params=["uvloop", "asyncio"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Work]:
    flags = {"data_dir": str(tmp_path), "port": 0, "s3_port": 0, "workers": 1, "event_loop": request.param}
    settings = Settings.load(flags=flags, environ={})
    with closing(Listeners.bind(settings)) as listeners:
        yield lambda: worker.work(settings, listeners.pairs[0])


def serving(before: Callable[[], object], during: Callable[[], object]) -> Any:
    """What a worker serves, in place of both ports."""

    @asynccontextmanager
    async def made_up(*_: object, **__: object) -> AsyncIterator[None]:
        before()
        yield
        during()

    return made_up


def fail(error: Exception) -> Callable[[], None]:
    def failing() -> None:
        raise error

    return failing


def nothing() -> None:
    """Go on."""


def stop_soon() -> None:
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()


@pytest.mark.parametrize(
    ("before", "during", "code", "message"),
    [
        (stop_soon, nothing, 0, None),
        (fail(KeyringError("no key")), nothing, CANNOT_START, "cannot start: no key"),
        (fail(RuntimeError("a fault")), nothing, CANNOT_START, "the worker failed"),
        (stop_soon, fail(RuntimeError("a fault")), 1, "the worker failed"),
    ],
)
def test_the_exit_code_says_whether_another_try_may_help(
    before: Callable[[], object],
    during: Callable[[], object],
    code: int,
    message: str | None,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(worker, "serving", serving(before, during))
    assert work() == code
    said = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert said == ([message] if message else [])
