"""One worker: an event loop that serves its pair of sockets until SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable

import uvloop

from gateway.app import serving
from gateway.http.logging import Log, form_of
from gateway.http.tls import TlsError
from gateway.keyring import KeyringError
from gateway.process.listeners import Pair
from gateway.process.supervisor import CANNOT_START
from gateway.settings import Settings
from registry.errors import StorageUnavailableError

LOG = logging.getLogger(__name__)

_LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}


def work(settings: Settings, pair: Pair) -> int:
    """Serve; returns the exit code of the process. Begins with the signals blocked, as the supervisor leaves them."""
    # What was imported stays for good: the collector need not pass over it, nor begin after every few requests.
    gc.freeze()
    gc.set_threshold(20_000)
    with Log(form_of(settings.log_format, sys.stderr), settings.log_level) as log:
        worker = _Worker(settings, pair, log)
        try:
            with asyncio.Runner(loop_factory=_LOOPS[settings.event_loop]) as runner:
                runner.run(worker.serve())
        except (KeyringError, StorageUnavailableError, TlsError) as error:
            LOG.error("cannot start: %s", error)  # noqa: TRY400  (the reason is all there is to know)
            return CANNOT_START
        except Exception:
            LOG.exception("the worker failed")
            return 1 if worker.began else CANNOT_START
    return 0


class _Worker:
    def __init__(self, settings: Settings, pair: Pair, log: Log) -> None:
        self._settings = settings
        self._pair = pair
        self._log = log
        self.began = False
        """Has it served? What fails before that would fail again."""

    async def serve(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        async with serving(self._settings, self._log, s3=self._pair.s3, registry_port=self._pair.registry):
            self.began = True
            await stop.wait()
