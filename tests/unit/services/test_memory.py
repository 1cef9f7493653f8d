from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.services.memory import Memory

_MIB = 1 << 20

# A parent whose child takes as many MiB as each line says, and lets them go again.
_CHILD = "import sys\nfor line in sys.stdin: b'x' * (int(line) << 20); print('done', flush=True)"
_PARENT = "import subprocess, sys; print(subprocess.call([sys.executable, '-uc', sys.argv[1]]))"


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-uc", _PARENT, _CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        _take(process, 1)
        yield process
        assert process.stdin
        process.stdin.close()


def _take(process: subprocess.Popen[str], mebibytes: int) -> None:
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{mebibytes}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def test_growth_is_the_peak_of_every_descendant(family: subprocess.Popen[str]) -> None:
    memory = Memory.of(family.pid)
    _take(family, 50)
    assert 45 * _MIB < memory.growth() < 60 * _MIB


def test_what_was_before_does_not_count(family: subprocess.Popen[str]) -> None:
    _take(family, 50)
    memory = Memory.of(family.pid)
    _take(family, 2)
    assert memory.growth() < 10 * _MIB
