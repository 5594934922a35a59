"""How many of a run's steps are written down."""

import json

import pytest

from runner.method import Stage
from runner.rundir.record import Record
from runner.training.recorder import LINES, Recorder


@pytest.mark.parametrize(("sizes", "lines"), [((10,), 10), ((2001,), 1001), ((3, 4000), 1335), ((5, 4000), 1336)])
def test_at_most_so_many_lines_and_the_first_of_every_stage(tmp_path, sizes, lines):
    stages = [Stage(name=f"s{n}", split="train", steps=size, objective=print) for n, size in enumerate(sizes)]
    recorder = Recorder(Record(tmp_path / "metrics.jsonl", None, lambda event: None), stages, 0)
    for stage in stages:
        for step in range(stage.steps):
            recorder.step(stage, step, 1.0, 1.0, 0.1, {})
    recorder.close()
    written = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(written) <= LINES + len(stages)
    assert {(event["stage"], event["step"]) for event in written} >= {(stage.name, 0) for stage in stages}
    assert len(written) == lines  # every 1st, 2nd, 3rd step of the run; 5 is no multiple of 3
