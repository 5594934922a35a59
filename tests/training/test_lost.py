"""best.pt lost while a run is stopped: it goes on, says so at once, and ends with weights of its own."""

import pytest
import torch
from tests.toy import Line, StopAt, TwoPhases, go, session
from tests.training.test_loop import events
from tests.training.test_selection import chosen, measured, taken

from runner.errors import CheckpointError, DivergedError
from runner.method import Series, Stage
from runner.training.finite import require_finite_parameters
from runner.training.selection import Selection
from runner.training.signals import Interrupted


class Drawn(TwoPhases):
    def __init__(self):
        torch.manual_seed(0)
        super().__init__(steps=3, cycles=3)
        self.series = Series("cycle", alternatives=True)


class Plain(TwoPhases):
    def __init__(self):
        torch.manual_seed(0)
        super().__init__(steps=3, cycles=3)


@pytest.mark.slow
@pytest.mark.parametrize("made", [Plain, Drawn])
def test_wherever_it_was_stopped_a_run_without_its_best_weights_ends_with_others(tmp_path, made, caplog):
    whole = session(tmp_path / "whole", made())
    asked = StopAt(whole)
    go(whole)
    for moment in range(1, asked.calls + 1):
        folder = tmp_path / str(moment)
        first = session(folder, made())
        StopAt(first, moment)
        with pytest.raises(Interrupted):
            go(first)
        lost = bool(first.selection.best)
        (folder / "checkpoints" / "best.pt").unlink(missing_ok=True)
        caplog.clear()
        second = session(folder, made(), resume=True)
        assert ("best.pt is lost or damaged" in caplog.text) == lost
        go(second)
        assert events(second) == events(whole)
        second.load_best()
        best = second.selection.chosen()["line"]
        assert (best.stage, best.step) == tuple(
            second.checkpoints.load_best(torch.device("cpu"))[key] for key in ("stage", "step")
        )
        if moment == asked.calls:  # all was measured: the end of the last stage is the result
            assert (best.stage, best.step) == ("cycle2/scale", 3)


def test_where_nothing_more_is_measured_it_is_refused_at_once(tmp_path):
    method = Plain()
    stages = [*method.stages()[:1], Stage(name="looking", split="train1", steps=3, observe=lambda batch: None)]
    method.stages = lambda: stages
    first = go(session(tmp_path / "run", method))
    (first.folder.checkpoints / "best.pt").write_bytes(b"")
    with pytest.raises(
        CheckpointError, match=r"best\.pt is lost or damaged and nothing more would be measured; put it back"
    ):
        session(tmp_path / "run", method, resume=True)


def test_of_alternatives_those_whose_weights_are_lost_are_shown_and_not_chosen():
    selection = Selection({"line": Line()}, "validation", points=("draw0", "draw1", "draw2"), alternatives=True)
    for stage, error in (("draw0", 1.0), ("draw1", 2.0)):
        taken(selection, measured("p", stage, 1, error))
    selection.lose("draw1")
    again = Selection({"line": Line()}, "validation", ("draw0", "draw1", "draw2"), True, selection.state())
    assert taken(again, measured("p", "draw1", 2, 9.0)) == (True, True)
    assert chosen(again) == {"p": ("draw1", 2)}
    taken(again, measured("p", "draw2", 1, 10.0))
    assert chosen(again) == {"p": ("draw1", 2)}
    assert again.best["draw0"]["p"].score > again.best["draw1"]["p"].score


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_parameter_that_is_not_finite_is_named(value):
    method = Plain()
    require_finite_parameters(method, "here")
    method.layer.bias.data[0] = value
    with pytest.raises(DivergedError, match=r"^here: parameter layer\.bias holds a number that is not finite"):
        require_finite_parameters(method, "here")
