"""The parent process, with workers that only say who they are: one line per connection."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

PROGRAM = """
import logging, os, select, signal, sys, time
from gateway.process.listeners import Listeners
from gateway.process.supervisor import CANNOT_START, Supervisor
from gateway.settings import Settings

def serve(pair):
    # The connection says what the worker does: answer, die, or take its time.
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    pair.s3.setblocking(True)
    pair.s3.settimeout(0.05)
    while not stopped:
        try:
            connection, _ = pair.s3.accept()
        except TimeoutError:
            continue
        connection.setblocking(True)
        command = connection.recv(100).decode()
        if command == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if command == "slow":
            connection.sendall(b"begun ")
            time.sleep(float(sys.argv[2]))
        connection.sendall(str(os.getpid()).encode())
        connection.close()
    return 0

def refuse(pair):
    return CANNOT_START

def end_at_once(pair):
    return 1

logging.basicConfig(level=logging.INFO, format="%(message)s")
settings = Settings.load(flags={"workers": "2", "port": "0", "s3_port": "0"}, environ={})
listeners = Listeners.bind(settings)
print(listeners.s3_url.rpartition(":")[2], flush=True)
supervisor = Supervisor(listeners, globals()[sys.argv[1]], grace_time=float(sys.argv[3]), buried=lambda pid: None)
sys.exit(supervisor.run())
"""


class Program:
    """A running supervisor."""

    def __init__(self, directory: Path, work: str, slow: float, grace: float) -> None:
        self.log_path = directory / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, work, str(slow), str(grace)],
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(Path.cwd())},
            )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def connect(self, command: str) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(command.encode())
        return connection

    def ask(self) -> int:
        """The pid of the worker that answers."""
        with closing(self.connect("who")) as connection:
            return int(connection.recv(100))

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def log(self) -> str:
        return self.log_path.read_text()


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    programs: list[Program] = []

    def begin(work: str = "serve", *, slow: float = 0.0, grace: float = 5.0) -> Program:
        programs.append(Program(tmp_path, work, slow, grace))
        return programs[-1]

    yield begin
    for program in programs:
        program.process.kill()
        program.process.wait()
        assert program.process.stdout is not None
        program.process.stdout.close()


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_the_workers_share_the_port(start: Start) -> None:
    program = start()
    answered: set[int] = set()
    assert eventually(lambda: answered.add(program.ask()) or len(answered) == 2)
    assert answered == program.workers()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean(start: Start, number: signal.Signals) -> None:
    program = start()
    workers = program.workers() if program.ask() else set()
    assert program.end(number) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    with pytest.raises(ConnectionRefusedError):
        program.connect("who")


def test_what_is_in_flight_finishes(start: Start) -> None:
    program = start(slow=0.7)
    with closing(program.connect("slow")) as connection:
        assert connection.recv(6) == b"begun "
        assert program.end() == 0
        assert int(connection.recv(100)) > 0


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    program = start(slow=30, grace=60)
    with closing(program.connect("slow")) as connection:
        assert connection.recv(6) == b"begun "
        began = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: "stopping" in program.log())
        program.process.send_signal(signal.SIGTERM)  # the same stop, sent to the process and to its group
        time.sleep(0.7)
        assert program.process.poll() is None
        assert program.end() == 1
        assert time.monotonic() - began < 5
        assert connection.recv(100) == b""


def test_a_crashed_worker_is_replaced_and_no_waiting_connection_is_lost(start: Start) -> None:
    program = start()
    before = program.workers() if program.ask() else set()
    for _ in range(3):
        with closing(program.connect("die")) as victim:
            # These are spread over both workers' sockets: some wait for the one that is gone.
            waiting = [program.connect("who") for _ in range(20)]
            assert victim.recv(1) == b""
            for connection in waiting:
                with closing(connection):
                    assert int(connection.recv(100)) > 0
        assert eventually(lambda: len(program.workers()) == 2)
    assert program.workers() != before
    assert "a worker ended by SIGKILL; another one starts in 0 seconds" in program.log()
    assert program.end() == 0


def test_a_worker_that_cannot_start_ends_the_server(start: Start) -> None:
    program = start("refuse")
    assert program.process.wait(timeout=10) == 3


def test_restarts_slow_down(start: Start) -> None:
    program = start("end_at_once")
    time.sleep(1.5)
    restarts = program.log().count("a worker ended with exit code 1")
    assert 4 <= restarts <= 12
    assert program.end() == 0


def test_the_workers_do_not_outlive_their_parent(start: Start) -> None:
    program = start()
    workers = program.workers() if program.ask() else set()
    assert len(workers) == 2
    assert program.end(signal.SIGKILL) == -signal.SIGKILL
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
