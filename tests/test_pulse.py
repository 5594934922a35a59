"""What takes long says so meanwhile: lines of a pulse, and a clock in a live view."""

import logging
import time

import pytest
from rich.console import Console

from runner import pulse
from runner.console import ConsoleHandler
from runner.pulse import PULSE, Pulse
from runner.training import progress
from runner.training.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_line_comes_when_nothing_else_did_for_ten_seconds(clock, said):
    """Looked at every second: measuring from 100 on, another line at 125."""
    beating = Pulse()
    beating.doing("measuring")
    for clock[0] in range(100, 140):
        if clock[0] == 125:
            beating.shown()
        beating.beat()
    assert said() == ["measuring ... 11 s", "measuring ... 22 s", "measuring ... 36 s"]


def test_steps_that_come_soon_and_a_live_view_need_no_line(clock, said):
    beating = Pulse()
    for clock[0] in range(100, 150):
        if clock[0] % 4 == 0:
            beating.doing("a step")
        beating.beat()
    beating.live = True
    for clock[0] in range(150, 200):
        beating.beat()
    assert said() == []


def test_what_the_log_says_is_being_done_but_not_what_a_pulse_says(clock, said, capsys):
    handler = ConsoleHandler()
    handler.emit(logging.makeLogRecord({"name": "runner", "msg": "drawing\nfigures", "levelno": logging.INFO}))
    clock[0] = 120.0
    PULSE.beat()
    handler.emit(logging.makeLogRecord({"name": pulse.__name__, "msg": said()[0], "levelno": logging.INFO}))
    clock[0] = 140.0
    PULSE.beat()
    assert said() == ["drawing ... 20 s", "drawing ... 40 s"]
    assert capsys.readouterr().err.splitlines() == ["drawing", "figures", "drawing ... 20 s"]


def test_a_thread_looks_every_second_until_the_end(monkeypatch, said):
    monkeypatch.setattr(pulse, "SECONDS", 0.5)
    beating = Pulse()
    with beating.beating():
        beating.doing("sleeping")
        time.sleep(1.3)
    count = len(said())
    assert count == 1
    time.sleep(1.1)
    assert len(said()) == count


def test_the_live_view_has_a_clock_where_a_step_takes_long(clock, monkeypatch, capsys):
    monkeypatch.setattr(progress, "Console", lambda stderr, quiet: Console(width=80, force_terminal=True, file=None))
    shown = Progress(25, 11)
    shown.stage("shared")
    shown.step(11, 16, {"loss": 3.142})
    shown._bars.stop()
    capsys.readouterr()
    for seconds, clocked in ((1, False), (15, True)):
        clock[0] = 100.0 + seconds
        Console(width=80).print(shown._bars.get_renderable())
        assert ("15 s  " in capsys.readouterr().out) == clocked
    assert PULSE.live
    shown.close()
    assert not PULSE.live
