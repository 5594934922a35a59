"""What one sees during training, in terminals of several widths and without one."""

import logging

import pytest
from rich.console import Console

from runner.training import progress
from runner.training.progress import Progress, fitted, patiently

PARTS = ["0:00:15 left", "1.37 steps/s", "loss 3.142"]


@pytest.mark.parametrize(
    ("width", "bar", "shown"),
    [
        (200, 40, PARTS),
        (80, 27, PARTS),  # 80 less 12 of stage and count, 14, 14 and 12 of the parts, 1 beside the bar
        (60, 19, PARTS[:2]),
        (40, 13, PARTS[:1]),
        (30, 0, PARTS[:1]),
        (20, 0, []),
    ],
)
def test_loss_and_rate_go_first_then_the_bar(width, bar, shown):
    assert fitted(width - len("shared 12/25"), PARTS) == (bar, "  ".join(shown))


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_stage_and_count_are_seen_at_every_width(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = Progress(25, 11)
    shown.stage("search011/weights")
    shown.step(11, 16, {"loss": 3.142})
    Console(width=columns).print(shown._bars.get_renderable())
    shown.close()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("search011/weights ")
    assert " 12/25 " in line
    assert "left" in line
    assert ("loss 3.142" in line) == (columns > 40)


def test_without_a_terminal_a_line_is_said_when_it_was_silent(monkeypatch, capsys):
    """Steps at 4, 11 and 15 seconds and a measurement at 22: lines at 11 and 22."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    shown = Progress(5, 0)
    shown.stage("training")
    for number, clock[0] in enumerate((4.0, 11.0, 15.0)):
        shown.step(number, 5, {"loss": 0.5})
    clock[0] = 22.0
    shown.waiting("measuring trained on the test split", "batch 2 of 3")
    shown.close()
    assert capsys.readouterr().err.splitlines() == [
        "training 2/5  (2/5)  0.182 steps/s  0:00:16 left  loss 0.5",
        "training (3/5)  measuring trained on the test split  batch 2 of 3",
    ]


def test_lines_that_stay_are_in_the_log_too(caplog):
    caplog.set_level(logging.INFO, "runner.screen")
    shown = Progress(5, 0)
    shown.note("training 5/5 snn: class top1 90")
    shown.close()
    assert caplog.messages == ["training 5/5 snn: class top1 90"]


def test_what_takes_long_says_how_far_it_is(monkeypatch, caplog):
    """Items at 0, 6, 12, ... seconds: a line at the third and at the fifth."""
    caplog.set_level(logging.INFO, "runner")
    clock = iter(range(0, 100, 6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    now = [0]

    def slow():
        for item in "abcde":
            now[0] = next(clock)
            yield item

    assert list(patiently("measuring spikes", slow(), 5)) == list("abcde")
    assert caplog.messages == ["measuring spikes: 2 of 5", "measuring spikes: 4 of 5"]
