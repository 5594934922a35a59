"""What is printed at the end of a run, of a run that is shown again, and of a sweep."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table
from tests.asked import settings
from tests.report.finished import finished
from tests.report.test_comparison import of, older

from runner.method import Series
from runner.report.tables import blocks, show
from runner.report.words import listed, published, short
from runner.rundir.folder import RunFolder

GENERATIONS, DRAWS = Series("generation"), Series("draw", alternatives=True)
PARTS, RETRAINED = ("part1", "part2", "part3"), ("retrain0", "retrain1", "retrain2")

SUMMARY: dict[str, Any] = {
    "name": "run",
    "choices": {"method": "course"},
    "predictor": "whole",
    "selection": "last evaluation, nothing selected",
    "selection_split": None,
    "metrics": {"test/whole/label/top1": 58.0, "test/half/label/top1": 57.5},
    "chosen": {"whole": {}, "half": {}},
    "published": {
        "label/top1": 61.86,
        "label/top1_std": 0.2,
        "generation01/half/label/top1": 1.53,
        "generation02/half/label/top1": 22.51,
    },
    "series": {
        "label": "generation",
        "alternatives": False,
        "points": [
            {"stage": "generation01", "metrics": {"test/whole/label/top1": 55.0, "test/half/label/top1": 2.25}},
            {"stage": "generation02", "metrics": {"test/whole/label/top1": 58.0, "test/half/label/top1": None}},
        ],
        "levels": {"long": {"run": "long-run", "metrics": {"label/top1": 59.0}}},
        "left_out": {"short": "budget 80 samples, here 240"},
    },
    "weights": {
        "file": "r18.pth",
        "sha256": "0",
        "loaded": 100,
        "fresh": ["fc.label.bias", "fc.label.weight"],
        "unused": ["fc.bias", "fc.weight", "aux.weight"],
    },
    "highest": {
        "label/top1": {"value": 59.25, "stage": "generation02", "step": 90, "measurements": 4, "batches": None}
    },
    "network": {"tasks": {"label": 10}, "metrics": {"label": {"top1": True}}},
    "budget": {"samples": 60_000, "before": {}, "batch_size": 4},
    "seconds": 12.0,
}


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({}, ""),
        ({"a": 92.69}, "92.69"),
        ({"a": 92.69, "a_std": 0.09}, "92.69 ± 0.09"),
        ({"a": 92.69, "a_std": 0.09, "a_best": 92.83}, "92.69 ± 0.09, best 92.83"),
    ],
)
def test_published_figures_with_what_is_known_of_them(figures, expected):
    assert published(figures, "a") == expected


@pytest.mark.parametrize(("columns", "table"), [(59, False), (60, True)])
def test_narrow_terminals_get_blocks_in_place_of_tables(columns, table, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    printed = show(SUMMARY, Path("outputs/run"))
    assert printed == capsys.readouterr().out
    assert ("│" in printed) is table
    assert ("label/top1\n  whole 58\n  half 57.5\n  published 61.86 ± 0.2\n" in printed) is not table


def test_a_row_of_two_cells_is_one_line():
    table = Table("", "snn", title="what a network costs")
    table.add_row("parameters", "11,000")
    assert list(blocks(table)) == ["what a network costs", "parameters: snn 11,000"]


@pytest.mark.parametrize(
    ("more", "words"),
    [({}, "12 s of training; results"), ({"seconds_in_all": 31.6}, "12 s of training, 32 s in all; results")],
)
def test_the_time_of_all_is_said_beside_that_of_the_training(more, words, capsys):
    assert words in show({**SUMMARY, **more}, Path("outputs/run"))


def test_words():
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]
    assert [short(0.00123456), short(999.9), short(1234.5)] == ["0.00123", "1e+03", "1,234"]


def lines_of(text):
    return [" ".join(line.replace("│", " ").replace("┃", " ").split()) for line in text.splitlines()]


def printed(capsys, monkeypatch, **changes):
    monkeypatch.setenv("COLUMNS", "160")
    show({**SUMMARY, **changes}, Path("outputs/run"))
    return lines_of(capsys.readouterr().out)


def test_points_have_a_row_each_with_what_was_published_of_them_and_other_runs(capsys, monkeypatch):
    lines = printed(capsys, monkeypatch)
    assert "label/top1 58 57.5 61.86 ± 0.2" in lines
    assert "after each generation" in lines
    assert "label/top1 whole half half, published" in lines
    assert "generation01 55 2.25 1.53" in lines
    assert "generation02 58 22.51" in lines  # undefined there, published here
    assert "long 59" in lines
    assert "not compared: short (budget 80 samples, here 240)" in lines


def test_what_weights_of_elsewhere_gave_is_one_line(capsys, monkeypatch):
    lines = printed(capsys, monkeypatch)
    assert "weights: 100 of 102 tensors from r18.pth; fresh: fc (2); unused: fc (2), aux (1)" in lines
    whole = {**SUMMARY["weights"], "fresh": [], "unused": []}
    assert "weights: 100 of 100 tensors from r18.pth" in printed(capsys, monkeypatch, weights=whole)


def test_many_runs_that_are_not_compared_are_counted(capsys, monkeypatch):
    left_out = {f"run{number}": "budget not recorded, here 240 samples" for number in range(7)}
    (line,) = (
        line
        for line in printed(capsys, monkeypatch, series={**SUMMARY["series"], "left_out": left_out})
        if line.startswith("not compared")
    )
    assert "run3 (" in line
    assert line.endswith(" and 3 more")


def test_columns_say_what_tells_them_apart(capsys, monkeypatch):
    """One predictor and two tasks: the tasks; two of each: both."""
    monkeypatch.setenv("COLUMNS", "160")
    metrics = {"test/whole/label/top1": 55.0, "test/whole/depth/abs": 0.5}
    network = {"tasks": {"label": 10, "depth": 1}, "metrics": {"label": {"top1": True}, "depth": {"abs": False}}}
    series = {**SUMMARY["series"], "points": [{"stage": "draw0", "metrics": metrics}], "levels": {}, "label": "draw"}
    lines = printed(capsys, monkeypatch, series=series, network=network, published=None)
    assert lines[lines.index("after each draw") + 2] == "whole label/top1 depth/abs"
    assert "draw0 55 0.5" in lines
    metrics |= {key.replace("whole", "half"): value + 1 for key, value in metrics.items()}
    lines = printed(capsys, monkeypatch, series=series, network=network, published=None)
    assert lines[lines.index("after each draw") + 2] == "whole half whole half"
    assert lines[lines.index("after each draw") + 3] == "label/top1 label/top1 depth/abs depth/abs"
    assert "draw0 55 56 0.5 1.5" in lines


def test_alternatives_have_their_mean_and_deviation_in_both_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    finished(tmp_path / "run", RETRAINED, DRAWS, asked=settings(tasks=["animal"]))
    lines = lines_of(capsys.readouterr().out)
    assert any(line.startswith("task/metric whole whole: mean ± std of 3 half") for line in lines)
    assert "animal/top1 56 54 ± 2 46 44 ± 2 16 14 ± 2" in lines
    assert "mean ± std 54 ± 2 44 ± 2 14 ± 2" in lines
    finished(tmp_path / "one", RETRAINED[:1], DRAWS, asked=settings(tasks=["animal"]))
    assert "mean ± std of" not in capsys.readouterr().out


def test_the_best_of_several_measurements_says_that_the_test_split_chose_it(capsys, monkeypatch):
    wanted = "best of 4 measurements, chosen on the test split: label/top1 59.25 (generation02, step 90)"
    assert wanted in printed(capsys, monkeypatch)
    assert wanted not in printed(capsys, monkeypatch, selection_split="validation")
    highest = {"label/top1": {**SUMMARY["highest"]["label/top1"], "batches": 7}}
    lines = printed(capsys, monkeypatch, highest=highest)
    assert any(line.startswith("best of 4 measurements on 7 batches of the split, chosen") for line in lines)


def test_networks_are_compared_by_first_metrics_and_cost_whatever_each_has(capsys, monkeypatch):
    costs = {
        "whole": {"parameters": 11000, "seconds_batch32": 1.2346, "backbone_macs": 1_200_000},
        "half": {"parameters": 2800, "seconds_batch32": 0.0389, "own": 0.5},
        "unmeasured": {"parameters": 7},
    }
    lines = printed(capsys, monkeypatch, costs=costs)
    assert "label/top1 58 57.5" in lines
    assert "parameters 11,000 2,800 7" in lines
    assert "latency, batch 32 1,235 ms 38.9 ms" in lines
    assert "backbone macs 1,200,000" in lines
    assert "own 0.5" in lines


def test_the_budget_is_said(capsys, monkeypatch):
    assert "trained on 60,000 samples" in printed(capsys, monkeypatch)
    budget = {"samples": 60_000, "before": {"warmup": 3200, "search": 4480}, "batch_size": 16}
    said = "trained on 60,000 samples (warmup 3,200 and search 4,480 before)"
    assert said in printed(capsys, monkeypatch, budget=budget)


NAMES = {"_baseline_": "alone"}
HOW = (
    "no relative performance: run method=alone with the same dataset, model and seed on 80 training samples first, "
    "or set baseline_run"
)


def ends(capsys):
    """The lines on relative performance and on what is not compared."""
    said = ("no relative", "relative", "not compared")
    return [line for line in lines_of(capsys.readouterr().out) if line.startswith(said)]


def test_relative_performance_or_how_to_get_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    finished(tmp_path / "first", PARTS[:1], asked=of("course", NAMES))
    assert ends(capsys) == [HOW]
    finished(tmp_path / "more", PARTS, asked=of("alone"))
    capsys.readouterr()
    finished(tmp_path / "second", PARTS[:1], asked=of("course", NAMES))
    assert ends(capsys) == [HOW, "not compared: alone (budget 240 samples, here 80)"]
    finished(tmp_path / "third", PARTS[:1], DRAWS, asked=of("course", NAMES))
    assert ends(capsys) == ["not compared: alone (budget 240 samples, here 80)", HOW]  # by the series, once
    asked = of("course", baseline_run=str(tmp_path / "more"))
    finished(tmp_path / "fourth", PARTS[:1], asked=asked)
    assert ends(capsys)[0] == (
        "relative performance of whole against more: -5.1 % (animal -7.1, distance -3.0); it differs: "
        "budget 240 samples, here 80"
    )


def test_the_other_runs_that_would_have_done_are_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("one", "two", "three"):
        finished(tmp_path / name, PARTS[:1], asked=of("alone", {"rate": len(name)}))
    finished(tmp_path / "run", PARTS[:1], asked=of("course", {**NAMES, "rate": 5}))
    assert (
        "three was taken of 3 runs of this method, data, model, seed and budget; baseline_run=PATH takes another: one and two"
        in lines_of(capsys.readouterr().out)
    )


def test_relative_performance_of_one_task_and_of_methods_without_a_baseline_is_not_spoken_of(tmp_path, capsys):
    finished(tmp_path / "one", PARTS[:1], asked=of("course", NAMES, tasks=["animal"]))
    finished(tmp_path / "none", PARTS[:1], asked=of("course"))
    assert ends(capsys) == []


@pytest.mark.parametrize("series", [None, GENERATIONS, DRAWS])
def test_a_finished_folder_is_shown_again_as_at_its_end(tmp_path, capsys, series):
    finished(tmp_path / "run", RETRAINED, series, asked=of("course", NAMES))
    first = capsys.readouterr().out
    show(RunFolder(tmp_path / "run").summary(), tmp_path / "run")
    assert capsys.readouterr().out == first


@pytest.mark.parametrize("series", [None, GENERATIONS, DRAWS])
def test_a_folder_of_an_older_version_is_shown_with_what_is_there(tmp_path, capsys, series):
    finished(tmp_path / "alone", RETRAINED, asked=of("alone"))
    asked = of("course", NAMES, published={"animal/top1": 60.0})
    finished(tmp_path / "run", RETRAINED, series, asked=asked)
    older(tmp_path / "run")
    summary = RunFolder(tmp_path / "run").summary()
    for key in ("highest", "costs"):
        old = {name: value for name, value in summary.items() if name != key}
        capsys.readouterr()
        show({**old, "reference": {"animal/top1": 60.0}}, tmp_path / "run")
        text = capsys.readouterr().out
        assert "published" in text
        assert "trained on" not in text


def test_draws_of_an_older_version_have_their_mean_and_deviation(capsys, monkeypatch):
    draws = {"each": {"retrain0": {}, "retrain1": {}}, "mean": {"label/top1": 55.0}, "deviation": {"label/top1": 1.5}}
    lines = printed(capsys, monkeypatch, series={}, published=None, repeats={"whole": draws})
    assert "task/metric whole whole: mean ± std of 2 half" in lines
    assert "label/top1 58 55 ± 1.5 57.5" in lines


def test_showing_again_needs_neither_torch_nor_matplotlib():
    code = "import sys, runner.report.tables; print([name for name in ('torch', 'matplotlib') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
