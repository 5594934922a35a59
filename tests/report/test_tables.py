"""What is printed at the end of a run."""

from pathlib import Path

import pytest
from rich.console import Console

from runner.report.tables import over_seeds, published, show

SUMMARY = {
    "name": "run",
    "selection": "last evaluation, nothing selected",
    "selection_split": None,
    "metrics": {"test/dense/label/top1": 58.0, "test/slim/label/top1": 57.5},
    "chosen": {"dense": {}, "slim": {}},
    "repeats": {},
    "reference": {
        "label/top1": 61.86,
        "label/top1_std": 0.2,
        "generation01/slim/label/top1": 1.53,
        "generation02/slim/label/top1": 22.51,
    },
    "generations": 2,
    "evaluations": [
        {"predictor": name, "stage": stage, "batches": None, "metrics": {"test": {"label": {"top1": value}}}}
        for stage, name, value in (
            ("generation01", "dense", 55.0),
            ("generation01", "slim", 2.25),
            ("generation02", "dense", 58.0),
            ("generation02", "slim", 57.5),
        )
    ],
    "highest": {
        "label/top1": {"value": 59.25, "stage": "generation01", "step": 90, "measurements": 4, "batches": None}
    },
    "network": {"tasks": {"label": 10}},
    "choices": {"method": "ke"},
    "seconds": 12.0,
}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({}, ""),
        ({"a": 92.69}, "92.69"),
        ({"a": 92.69, "a_std": 0.09}, "92.69 ± 0.09"),
        ({"a": 92.69, "a_std": 0.09, "a_best": 92.83}, "92.69 ± 0.09, best 92.83"),
    ],
)
def test_published_figures_with_what_is_known_of_them(reference, expected):
    assert published(reference, "a") == expected


def printed(capsys, **changes):
    show({**SUMMARY, **changes}, Path("outputs/run"))
    return [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]


def test_generations_have_a_row_each_with_what_was_published_of_them(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    lines = printed(capsys)
    assert "label/top1 58 57.5 61.86 ± 0.2" in lines
    assert "generation01 55 2.25 1.53" in lines
    assert "generation02 58 57.5 22.51" in lines


def test_the_best_of_several_measurements_says_that_the_test_split_chose_it(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    wanted = "best of 4 measurements, chosen on the test split: label/top1 59.25 (generation01, step 90)"
    assert wanted in printed(capsys)
    assert wanted not in printed(capsys, selection_split="validation")


def test_networks_are_compared_by_accuracy_and_cost(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    costs = {
        "dense": {"parameters": 11000, "seconds_batch32": 1.2346},
        "slim": {"parameters": 2800, "seconds_batch32": 0.0389},
    }
    lines = printed(capsys, costs=costs)
    assert "label/top1 58 57.5" in lines
    assert "parameters 11,000 2,800" in lines
    assert "latency, batch 32 1,235 ms 38.9 ms" in lines


def test_measurements_on_part_of_the_split_say_so(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    cut = [{**entry, "batches": 7} for entry in SUMMARY["evaluations"]]
    highest = {"label/top1": {**SUMMARY["highest"]["label/top1"], "batches": 7}}
    lines = printed(capsys, evaluations=cut, highest=highest)
    assert "after each generation on 7 batches of the split" in lines
    assert any(line.startswith("best of 4 measurements on 7 batches of the split, chosen") for line in lines)


def test_a_sweep_ends_with_means_over_seeds(capsys):
    def run(top1):
        return {**SUMMARY, "metrics": {"test/dense/label/top1": top1, "test/slim/label/top1": top1 - 1}}

    other = {**SUMMARY, "reference": None, "chosen": {"trained": {}}, "metrics": {"test/trained/label/top1": 50.0}}
    Console(width=120).print(over_seeds([("method=ke", run(58.0)), ("method=long", other), ("method=ke", run(61.0))]))
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in capsys.readouterr().out.splitlines()]
    assert ["method=ke", "dense", "2", "59.5 ± 2.1", "61.86 ± 0.2"] in cells  # sqrt(2 * 1.5 ** 2 / 1) = 2.12
    assert ["", "slim", "2", "58.5 ± 2.1", "61.86 ± 0.2"] in cells
    assert ["method=long", "trained", "1", "50", ""] in cells
