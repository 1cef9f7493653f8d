"""The parent process: starts the workers, replaces one that crashed, stops them all in good order.

The parent runs no event loop and no threads, so that it can fork at any time, and it handles signals by waiting for
them. It holds no request and no connection of its own: nothing a client sends can make it fail.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from gateway.process.listeners import Listeners, Pair

LOG = logging.getLogger(__name__)

CANNOT_START = 3
"""A worker's exit code when it could not begin to serve: trying again at once would not help."""

_STOP = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_STOP, signal.SIGCHLD)
_STEADY_SECONDS = 30.0
"""A worker that ran so long counts as having worked; its next crash begins a new row."""
_LONGEST_DELAY = 15.0
_AFTER_GRACE = 5.0
_SAME_STOP = 0.5
"""A signal so many seconds after the first is the same one, sent to the process and to its group."""
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class _Slot:
    """The place of one worker; its sockets outlive the process that serves them."""

    pair: Pair
    pid: int = 0
    started_at: float = 0.0
    crashes: int = 0
    start_at: float = 0.0


class Supervisor:
    """Runs `work` in one process per pair of sockets until told to stop.

    `work` gets its pair and returns an exit code; SIGTERM tells it to finish what is in flight and return. It is called
    with the signals of `_STOP` blocked and unblocks them when it is ready to be told.
    `buried` is called with the pid of every worker that ended.
    """

    def __init__(
        self,
        listeners: Listeners,
        work: Callable[[Pair], int],
        *,
        grace_time: float,
        buried: Callable[[int], object],
    ) -> None:
        self._listeners = listeners
        self._work = work
        self._grace_time = grace_time
        self._buried = buried
        self._slots = [_Slot(pair) for pair in listeners.pairs]

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; returns the exit code. A second signal ends everything at once."""
        # SIGCHLD is only delivered to one who waits when it has a handler.
        signal.signal(signal.SIGCHLD, _nothing)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        failed = self._supervise()
        self._listeners.close()
        return self._stop(CANNOT_START if failed else 0)

    def _supervise(self) -> bool:
        """Keep the workers running; returns True when they cannot start, False when told to stop."""
        while True:
            now = time.monotonic()
            for slot in self._slots:
                if not slot.pid and slot.start_at <= now:
                    self._start(slot)
            waiting = [slot.start_at - now for slot in self._slots if not slot.pid]
            received = signal.sigtimedwait(_SIGNALS, max(0.0, min(waiting, default=3600.0)))
            if received and received.si_signo in _STOP:
                LOG.info("stopping: requests in flight have %g seconds to finish", self._grace_time)
                return False
            for slot, code in self._ended():
                if code == CANNOT_START and not slot.crashes:
                    return True
                self._plan_restart(slot, code)

    def _start(self, slot: _Slot) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            slot.pid, slot.started_at = pid, time.monotonic()
            return
        code = 1
        try:
            _end_with(parent)
            # The terminal sends SIGINT to all; only the parent decides what it means.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in self._slots:
                if other is not slot:
                    other.pair.close()
            code = self._work(slot.pair)
        except BaseException:
            LOG.exception("a worker failed")
        finally:
            # No clean-up that belongs to the parent.
            os._exit(code)

    def _ended(self) -> list[tuple[_Slot, int]]:
        """The workers that ended since the last look, with their exit codes; negative is a signal's number."""
        ended = []
        for slot in self._slots:
            if slot.pid:
                pid, status = os.waitpid(slot.pid, os.WNOHANG)
                if pid:
                    slot.pid = 0
                    self._buried(pid)
                    ended.append((slot, os.waitstatus_to_exitcode(status)))
        return ended

    def _plan_restart(self, slot: _Slot, code: int) -> None:
        now = time.monotonic()
        slot.crashes = 1 if now - slot.started_at >= _STEADY_SECONDS else slot.crashes + 1
        delay = min(_LONGEST_DELAY, 0.1 * 2 ** (slot.crashes - 1)) if slot.crashes > 1 else 0.0
        slot.start_at = now + delay
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        LOG.error("a worker ended %s; another one starts in %g seconds", how, delay)

    def _stop(self, code: int) -> int:
        self._signal(signal.SIGTERM)
        told = time.monotonic()
        deadline = told + self._grace_time + _AFTER_GRACE
        while any(slot.pid for slot in self._slots):
            received = signal.sigtimedwait(_SIGNALS, max(0.0, deadline - time.monotonic()))
            again = received is not None and received.si_signo in _STOP and time.monotonic() - told > _SAME_STOP
            if received is None or again:
                LOG.warning("requests in flight are cut off")
                self._signal(signal.SIGKILL)
                for slot in self._slots:
                    if slot.pid:
                        os.waitpid(slot.pid, 0)
                return code or 1
            self._ended()
        LOG.info("stopped")
        return code

    def _signal(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(slot.pid, number)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the signal has been received by `sigtimedwait`."""


def _end_with(parent: int) -> None:
    """Have the kernel stop this process when its parent dies, however that happens (Linux)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
