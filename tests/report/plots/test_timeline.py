import pytest
from matplotlib.figure import Figure

from runner.report.plots.timeline import Run, Span, runs, shade_bands, spans


def train(stage, *steps):
    return [{"event": "train", "stage": stage, "step": step, "loss": 1.0, "scalars": {}} for step in steps]


def evaluation(stage, step):
    return {"event": "evaluation", "stage": stage, "step": step, "predictor": "shared", "metrics": {}}


def test_stages_follow_each_other():
    events = [
        *train("warmup", *range(0, 1000, 5)),
        *train("search000/weights", 0, 1, 2),
        *train("search000/policy", 0),
        evaluation("search000/policy", 1),
        evaluation("convert", 0),
        *train("retrain0", 0, 4, 8),
        evaluation("retrain0", 10),
    ]
    assert list(spans(events).values()) == [
        Span("warmup", "warmup", None, "", 0, 1000),
        Span("search000/weights", "search", 0, "weights", 1000, 3),
        Span("search000/policy", "search", 0, "policy", 1003, 1),
        Span("convert", "convert", None, "", 1004, 0),
        Span("retrain0", "retrain", 0, "", 1004, 12),
    ]


def test_names_are_taken_apart():
    names = ["level03/train", "generation12", "tau2_warm", "fine-tuning", "7"]
    found = spans([event for name in names for event in train(name, 0)])
    taken = [(span.group, span.number, span.part) for span in found.values()]
    assert taken == [
        ("level", 3, "train"),
        ("generation", 12, ""),
        ("tau2_warm", None, ""),
        ("fine-tuning", None, ""),
        ("", 7, ""),
    ]


def test_alternating_stages_are_one_band():
    names = ["warmup", *(f"search{cycle:03}/{part}" for cycle in range(333) for part in ("weights", "policy"))]
    names += [f"retrain{draw}" for draw in range(8)] + ["extra2"]
    bands = runs(spans([event for name in names for event in train(name, 0, 1)]).values())
    assert bands == [
        Run("warmup", 0, 2),
        Run("search 0–332", 2, 1332, tuple(range(6, 1334, 4))),
        Run("retrain 0–7", 1334, 16, tuple(range(1336, 1350, 2))),
        Run("extra 2", 1350, 2),
    ]


@pytest.mark.parametrize(("stages", "lines"), [(4, 3), (333, 0)])
def test_a_line_is_where_a_stage_begins_unless_they_would_be_a_surface(stages, lines):
    events = [event for number in range(stages) for event in train(f"generation{number:03}", 0, 1)]
    axes = Figure().subplots()
    shade_bands(axes, runs(spans(events).values()), 5)
    assert [line.get_xdata()[0] for line in axes.lines] == [2, 4, 6][:lines]
