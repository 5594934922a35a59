"""The list of how a sweep's jobs end: its own whatever other sweeps are called, gone with its sweep."""

import json
import subprocess
import sys

from runner.rundir.lock import this_process
from runner.rundir.outcomes import BEGUN, FINISHED, Outcomes


def entry(job, outcome):
    return {"job": job, "outcome": outcome, "process": this_process()}


def test_two_sweeps_of_one_process_number_keep_lists_apart(tmp_path):
    first = Outcomes.begun(tmp_path)
    (first.path).write_text(
        json.dumps({"sweep": this_process().replace("pid:[", "pid:[9")}) + "\n"
    )  # in another container
    second = Outcomes.begun(tmp_path)
    first.append(entry(0, FINISHED))
    second.append(entry(0, BEGUN))
    second.append(entry(1, BEGUN))
    assert {job: found["outcome"] for job, found in first.last().items()} == {0: FINISHED}
    assert list(second.last()) == [0, 1]
    assert len(second.at_work()) == 2


def test_the_list_of_a_sweep_that_was_killed_is_taken_away_and_that_of_a_live_one_stays(tmp_path):
    dead = subprocess.run(
        [sys.executable, "-c", "from runner.rundir.lock import this_process; print(this_process(), end='')"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (tmp_path / ".sweep-dead.jsonl").write_text(json.dumps({"sweep": dead}) + "\n")
    with subprocess.Popen(["sleep", "60"]) as other:
        words = this_process().split(maxsplit=2)
        (tmp_path / ".sweep-alive.jsonl").write_text(json.dumps({"sweep": f"process {other.pid} {words[2]}"}) + "\n")
        elsewhere = this_process().replace(" on ", " on another-")
        (tmp_path / ".sweep-elsewhere.jsonl").write_text(json.dumps({"sweep": elsewhere}) + "\n")
        begun = Outcomes.begun(tmp_path)
        names = {path.name for path in tmp_path.iterdir()}
        other.kill()
    assert names == {".sweep-alive.jsonl", ".sweep-elsewhere.jsonl", begun.path.name}


def test_a_torn_line_is_passed_over(tmp_path):
    outcomes = Outcomes.begun(tmp_path)
    outcomes.append(entry(0, FINISHED))
    with outcomes.path.open("a") as file:
        file.write('{"job": 1, "outc')
    assert list(outcomes.last()) == [0]
    assert outcomes.parent() == this_process()
