"""What a log line holds, and that nobody waits for it."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.http.logging import Access, Human, Json, Log, form_of, log_directly, request_id

LOG = logging.getLogger("room")

ENTRY = Access(
    request_id="4442587FB7D0A2F9",
    method="PUT",
    path="/evidence/run-1/a%20b",
    operation="PutObject",
    status=200,
    seconds=0.0123,
    bytes_in=4096,
    bytes_out=0,
    remote="127.0.0.1",
    access_key="ASKEY",
)


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)


def objects(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_carry_the_request_and_extra_fields() -> None:
    stream = io.StringIO()
    with Log(Json(), "info", stream):
        token = request_id.set("4442587FB7D0A2F9")
        LOG.warning("it is %s", "late", extra={"seconds": 1.5})
        request_id.reset(token)
        LOG.info("afterwards")
    late, afterwards = objects(stream)
    assert (
        late.items()
        >= {
            "level": "warning",
            "logger": "room",
            "message": "it is late",
            "request_id": "4442587FB7D0A2F9",
            "seconds": 1.5,
        }.items()
    )
    assert late["time"].endswith("Z")
    assert "request_id" not in afterwards


def test_json_access_lines() -> None:
    stream = io.StringIO()
    with Log(Json(), "info", stream) as log:
        log.access(ENTRY)
    (line,) = objects(stream)
    assert (
        line.items()
        >= {
            "logger": "access",
            "request_id": "4442587FB7D0A2F9",
            "method": "PUT",
            "path": "/evidence/run-1/a%20b",
            "operation": "PutObject",
            "status": 200,
            "seconds": 0.0123,
            "bytes_in": 4096,
            "access_key": "ASKEY",
            "remote": "127.0.0.1",
        }.items()
    )


def test_access_lines_are_switched_by_level() -> None:
    stream = io.StringIO()
    with Log(Json(), "warning", stream) as log:
        assert not log.accesses
        log.access(ENTRY)
        LOG.info("not said")
        LOG.warning("said")
    assert [line["message"] for line in objects(stream)] == ["said"]


def test_a_traceback_stays_in_its_line() -> None:
    stream = io.StringIO()
    with Log(Json(), "info", stream):
        try:
            int("why")
        except ValueError:
            LOG.exception("failed")
    (line,) = objects(stream)
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: invalid literal for int() with base 10: 'why'")


def test_what_a_client_sent_cannot_forge_a_line_for_people() -> None:
    stream = io.StringIO()
    forged = "/x\n12:00:00.000 ERROR   room: forged"
    with Log(Human(), "info", stream) as log:
        log.access(Access(**{**{name: getattr(ENTRY, name) for name in Access.__slots__}, "path": forged}))
        LOG.info("key %s", forged, extra={"key": forged})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert '"/x\\n12:00:00.000 ERROR   room: forged"' in lines[0]
    assert not any(line.startswith("12:00:00.000 ERROR") for line in lines)


def test_people_see_the_same_things() -> None:
    stream = io.StringIO()
    with Log(Human(), "info", stream) as log:
        log.access(ENTRY)
        LOG.error("broken", extra={"why": "disk"})
    access, error = stream.getvalue().splitlines()
    assert "200 PUT /evidence/run-1/a%20b  PutObject  12.3 ms  in=4096 out=0  by=ASKEY" in access
    assert access.endswith("request_id=4442587FB7D0A2F9")
    assert error.endswith("ERROR   room: broken  why=disk")


class SlowStream(io.StringIO):
    def write(self, text: str) -> int:
        time.sleep(0.05)
        return super().write(text)


def test_the_log_is_not_waited_for_and_ends_complete() -> None:
    stream = SlowStream()
    with Log(Json(), "info", stream) as log:
        began = time.perf_counter()
        for _ in range(200):
            log.access(ENTRY)
        assert time.perf_counter() - began < 0.05
    assert len(objects(stream)) == 200


class CountingStream(io.StringIO):
    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def test_lines_gather_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.logging._GATHERING", 60)
    stream = CountingStream()
    with Log(Json(), "info", stream) as log:
        for _ in range(20):
            log.access(ENTRY)
            time.sleep(0.001)
        assert not stream.writes
        # The end does not wait for the moment to be over.
    assert stream.writes == 1
    assert len(objects(stream)) == 20


def test_a_warning_is_written_at_once_with_what_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.logging._GATHERING", 60)
    stream = io.StringIO()
    with Log(Json(), "info", stream) as log:
        log.access(ENTRY)
        LOG.warning("late")
        deadline = time.monotonic() + 10
        while "late" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.001)
        assert [line["logger"] for line in objects(stream)] == ["access", "room"]


def test_what_cannot_be_kept_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.logging._QUEUE_LENGTH", 10)
    stream = SlowStream()
    with Log(Json(), "info", stream) as log:
        for _ in range(500):
            log.access(ENTRY)
    lines = objects(stream)
    dropped = [line["message"] for line in lines if line["logger"] != "access"]
    assert dropped
    assert sum(int(message.split()[6]) for message in dropped) + len(lines) - len(dropped) == 500


class ClosedStream(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_log_that_nobody_reads_harms_nobody() -> None:
    with Log(Json(), "info", ClosedStream()):
        LOG.error("unheard")


def test_a_line_that_cannot_be_rendered_does_not_end_the_log() -> None:
    stream = io.StringIO()
    with Log(Json(), "info", stream):
        LOG.info("%d", "no number")
        LOG.info("goes on")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("a log line could not be rendered: TypeError")
    assert json.loads(second)["message"] == "goes on"


def test_the_parent_logs_in_the_same_form() -> None:
    stream = io.StringIO()
    log_directly(Json(), "info", stream)
    LOG.info("from the parent")
    LOG.debug("not said")
    assert [line["message"] for line in objects(stream)] == ["from the parent"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("setting", "stream", "form"),
    [
        ("auto", Terminal(), Human),
        ("auto", io.StringIO(), Json),
        ("human", io.StringIO(), Human),
        ("json", Terminal(), Json),
    ],
)
def test_the_form_follows_the_setting_and_the_stream(setting: str, stream: io.StringIO, form: type) -> None:
    assert isinstance(form_of(setting, stream), form)
