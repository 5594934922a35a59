"""metrics.jsonl: strict JSON, a torn last line costs only itself, what a resume repeats is written once."""

import json
import math

from runner.rundir.record import Record, read


def test_a_torn_last_line_is_lost_alone(tmp_path):
    record = Record(tmp_path / "m.jsonl")
    record.write("train", "a", 0, loss=1.0)
    record.write("train", "a", 1, loss=2.0)
    record.close()
    content = (tmp_path / "m.jsonl").read_bytes()
    for cut in (1, 5, 20):
        (tmp_path / "m.jsonl").write_bytes(content[:-cut])
        assert [event["step"] for event in read(tmp_path / "m.jsonl")] == [0]


def test_resuming_writes_again_from_the_checkpoints_offset(tmp_path):
    record = Record(tmp_path / "m.jsonl")
    record.write("train", "a", 0)
    saved = record.state()
    record.write("train", "a", 1)
    record.close()
    again = Record(tmp_path / "m.jsonl", saved)
    again.write("train", "a", 1)
    again.write("train", "a", 2)
    again.close()
    assert [event["step"] for event in read(tmp_path / "m.jsonl")] == [0, 1, 2]


def test_nan_is_null_in_the_file_and_nan_when_read(tmp_path):
    record = Record(tmp_path / "m.jsonl")
    record.write("evaluation", "a", 0, metrics={"test": {"t": {"m": math.nan}}})
    record.close()
    assert json.loads((tmp_path / "m.jsonl").read_text())["metrics"]["test"]["t"]["m"] is None
    (event,) = read(tmp_path / "m.jsonl")
    assert math.isnan(event["metrics"]["test"]["t"]["m"])
