"""The log: one line per record on standard error, for people on a terminal and as JSON elsewhere.

A request never waits for the log. What is logged goes into a queue; a thread of its own formats and writes it. When
the reader of the log is slower than the server the queue is bounded: lines are dropped, and how many is logged.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import sys
import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that the running task serves; every line logged meanwhile carries it."""

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_QUEUE_LENGTH = 50_000
_GATHERING = 0.02
"""Seconds that lines wait for others. Waking the thread for each cost a quarter of a short request's CPU time."""
_BATCH = 256
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request_id"}


@dataclass(frozen=True, slots=True)
class Access:
    """One answered request. The path is the raw one without its query, which may hold a signature."""

    request_id: str
    method: str
    path: str
    operation: str
    status: int
    seconds: float
    bytes_in: int = 0
    bytes_out: int = 0
    remote: str | None = None
    access_key: str | None = None


class Form(Protocol):
    """How a line looks."""

    def line(self, record: logging.LogRecord) -> str: ...

    def access(self, at: float, entry: Access) -> str: ...


class Human:
    """`12:00:00.123 INFO  gateway.app: message  name=value`"""

    def __init__(self, *, colour: bool = False) -> None:
        self._colours = (
            {"DEBUG": "\x1b[2m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31;1m"} if colour else {}
        )

    def line(self, record: logging.LogRecord) -> str:
        extra = "".join(f"  {name}={_plain(value)}" for name, value in _fields(record).items())
        level = record.levelname
        text = f"{_clock(record.created)} {level:<7} {record.name}: {_one_line(record)}{extra}"
        if record.exc_info:
            text += "\n" + _traceback(record)
        start = self._colours.get(level)
        return f"{start}{text}\x1b[0m" if start else text

    def access(self, at: float, entry: Access) -> str:
        return (
            f"{_clock(at)} INFO    {entry.status} {entry.method} {_plain(entry.path)}  {entry.operation}"
            f"  {entry.seconds * 1000:.1f} ms  in={entry.bytes_in} out={entry.bytes_out}"
            f"  by={_plain(entry.access_key or '-')}  from={entry.remote or '-'}  request_id={entry.request_id}"
        )


class Json:
    """One JSON object per line; `time` is UTC, `seconds` is a duration."""

    def __init__(self) -> None:
        self._encode = json.JSONEncoder(default=str, separators=(",", ":")).encode

    def line(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = _traceback(record)
        return self._encode(entry)

    def access(self, at: float, entry: Access) -> str:
        return self._encode(
            {
                "time": _timestamp(at),
                "level": "info",
                "logger": "access",
                "message": f"{entry.method} {entry.operation} {entry.status}",
                "request_id": entry.request_id,
                "method": entry.method,
                "path": entry.path,
                "operation": entry.operation,
                "status": entry.status,
                "seconds": round(entry.seconds, 6),
                "bytes_in": entry.bytes_in,
                "bytes_out": entry.bytes_out,
                "remote": entry.remote,
                "access_key": entry.access_key,
            }
        )


class _Formatter(logging.Formatter):
    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        return self._form.line(record)


def log_directly(form: Form, level: str, stream: TextIO) -> None:
    """Log without a thread: for a process that forks, and has little to say."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(form))
    _install(handler, LEVELS[level])


def _install(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # What these tell at info and debug is about themselves, or the values of every statement, which are nobody's.
    for library in ("aiobotocore", "aiosqlite", "alembic", "asyncio", "botocore", "urllib3"):
        logging.getLogger(library).setLevel(max(level, logging.WARNING))


class Log(logging.Handler):
    """The root logger's handler while a process serves; a context manager that writes out what is queued at its end.

    Starts a thread, so it is entered after a fork, never before.
    """

    def __init__(self, form: Form, level: str, stream: TextIO | None = None) -> None:
        super().__init__(LEVELS[level])
        self._form = form
        self._stream = stream or sys.stderr
        self._queue: queue.SimpleQueue[logging.LogRecord | tuple[float, Access] | None] = queue.SimpleQueue()
        self._dropped = 0
        self._urgent = threading.Event()
        self._thread = threading.Thread(target=self._write_lines, name="log", daemon=True)
        self.accesses = self.level <= logging.INFO
        """Whether requests are logged at all: ask before building an entry."""

    def __enter__(self) -> Self:
        _install(self, self.level)
        logging.captureWarnings(capture=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)
        self._queue.put(None)
        self._urgent.set()
        self._thread.join()

    def emit(self, record: logging.LogRecord) -> None:
        record.request_id = request_id.get()
        self._put(record)
        if record.levelno >= logging.WARNING:
            self._urgent.set()

    def access(self, entry: Access) -> None:
        if self.accesses:
            self._put((time.time(), entry))

    def _put(self, item: logging.LogRecord | tuple[float, Access]) -> None:
        if self._queue.qsize() < _QUEUE_LENGTH:
            self._queue.put(item)
        else:
            self._dropped += 1

    def _write_lines(self) -> None:
        ended = False
        while not ended:
            # What gathered while the last lines were written goes out in one write.
            items = [self._queue.get()]
            if self._queue.qsize() < _BATCH:
                self._urgent.wait(_GATHERING)
                self._urgent.clear()
            while len(items) < _BATCH and not self._queue.empty():
                items.append(self._queue.get())
            ended = None in items
            lines = [self._rendered(item) for item in items if item is not None]
            if self._dropped:
                lines.append(self._rendered(self._dropped_record()))
            with contextlib.suppress(OSError, ValueError):  # nobody reads the log any more: serving goes on
                self._stream.write("".join(line + "\n" for line in lines))
                self._stream.flush()

    def _dropped_record(self) -> logging.LogRecord:
        dropped, self._dropped = self._dropped, 0
        return logging.makeLogRecord(
            {
                "name": __name__,
                "levelno": logging.WARNING,
                "levelname": "WARNING",
                "msg": "the log could not keep up: %d lines were dropped",
                "args": (dropped,),
            }
        )

    def _rendered(self, item: logging.LogRecord | tuple[float, Access]) -> str:
        try:
            return self._form.access(*item) if isinstance(item, tuple) else self._form.line(item)
        except Exception as error:  # noqa: BLE001  (a line that cannot be rendered must not end the log)
            return f"a log line could not be rendered: {error!r}"


def form_of(log_format: str, stream: TextIO) -> Form:
    """The form that the setting names; `auto` is for people when the stream is a terminal."""
    if log_format == "human" or (log_format == "auto" and stream.isatty()):
        return Human(colour=stream.isatty() and "NO_COLOR" not in os.environ)
    return Json()


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The request id and what the caller gave as `extra`."""
    current = getattr(record, "request_id", None)
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {"request_id": current, **extra} if current else extra


def _traceback(record: logging.LogRecord) -> str:
    return logging.Formatter().formatException(record.exc_info) if record.exc_info else ""


def _plain(value: object) -> str:
    """One word: what a client sent cannot forge a line or a field."""
    text = str(value)
    return text if text.isprintable() and " " not in text and text else json.dumps(text)


def _one_line(record: logging.LogRecord) -> str:
    return record.getMessage().replace("\r", "\\r").replace("\n", "\\n")


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at * 1000) % 1000:03d}"


def _timestamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1_000_000) % 1_000_000:06d}Z"
