"""The best of a column, and who cannot be told apart from it; probabilities from tables of Student's distribution."""

import pytest

from runner.compare import significance
from runner.compare.comparison import compared
from runner.compare.runs import find
from runner.compare.significance import holm, paired
from tests.compare.made import made


def marks(folder, key="animal/top1"):
    found = compared(find([folder]).runs)
    number = [column.key for column in found.columns].index(key)
    return [(verdict.mark, verdict.probability) for verdict in found.verdicts[number]]


def several(folder, **values):
    """Runs with seeds 0, 1, ... of every method."""
    for name, accuracies in values.items():
        for seed, accuracy in enumerate(accuracies):
            made(folder / f"{name}{seed}", accuracy, method=name, seed=seed)


def test_a_paired_t_test_by_hand():
    # mean 2, deviation 1, so t = 2 * sqrt(3) = 3.4641 with 2 degrees of freedom, where p = 1 - t / sqrt(t^2 + 2)
    assert paired([1.0, 2.0, 3.0]) == pytest.approx(1 - 3.4641016 / 14**0.5, abs=1e-7)
    # t = 2.776 with 4 degrees of freedom is the 0.05 of the tables: mean 2.776 / sqrt(5), deviation 1
    unit = [-1.0954451, -0.5477226, 0.0, 0.5477226, 1.2649111 - 0.1694660]
    spread = [value / (sum(each**2 for each in unit) / 4) ** 0.5 for value in unit]
    assert paired([value + 2.776445 / 5**0.5 for value in spread]) == pytest.approx(0.05, abs=1e-5)
    assert paired([0.0, 0.0, 0.0]) == 1
    assert paired([0.5, 0.5, 0.5]) == 0


def test_holm_s_correction_by_hand():
    assert holm({1: 0.01, 2: 0.04, 3: 0.03}) == {1: pytest.approx(0.03), 3: pytest.approx(0.06), 2: pytest.approx(0.06)}
    assert holm({1: 0.9, 2: 0.8}) == {2: 1.0, 1: 1.0}
    assert holm({}) == {}


def test_the_best_is_marked_and_others_by_whether_they_can_be_told_apart(tmp_path):
    several(tmp_path, a=(60, 62, 64), b=(59.9, 62.3, 63.7), c=(50, 52.1, 53.9))
    (best, none), (tied, unlikely), (worse, rare) = marks(tmp_path)
    assert (best, none, tied, worse) == ("best", None, "tied", "worse")
    # differences of c: 10, 9.9, 10.1, mean 10, deviation 0.1: t = 173.2, p = 3.33e-5, twice that after Holm's correction
    assert rare == pytest.approx(2 * (1 - 173.205081 / (173.205081**2 + 2) ** 0.5), rel=1e-4)
    assert unlikely > 0.5


def test_an_error_is_best_where_it_is_lowest_and_equal_means_are_best_together(tmp_path):
    for name, error in (("a", 0.5), ("b", 0.4), ("c", 0.4)):
        made(tmp_path / name, 50.0, method=name, error=error)
    assert [mark for mark, _ in marks(tmp_path, "distance/abs")] == ["untested", "best", "best"]


def test_two_seeds_are_too_few_which_is_said(tmp_path):
    several(tmp_path, a=(60, 62), b=(50, 52))
    assert marks(tmp_path) == [("best", None), ("untested", None)]
    told = "no significance where fewer than 3 runs have their seeds in common with the best's"
    assert told in compared(find([tmp_path]).runs).remarks


def test_seeds_that_only_one_of_two_has_are_left_out(tmp_path):
    several(tmp_path, a=(60, 62, 64), b=(50, 52.1, 53.9, 10))
    assert marks(tmp_path)[1][1] == pytest.approx(1 - 173.205081 / (173.205081**2 + 2) ** 0.5, rel=1e-4)
    for seed in (1, 2):
        (tmp_path / f"b{seed}/summary.json").unlink()
    assert marks(tmp_path)[1] == ("untested", None)


def test_without_scipy_the_table_says_which_extra_brings_it(tmp_path, monkeypatch):
    several(tmp_path, a=(60, 62, 64), b=(50, 52.1, 53.9))
    monkeypatch.setattr(significance, "find_spec", lambda name: None)
    assert marks(tmp_path) == [("best", None), ("untested", None)]
    assert (
        'no significance: scipy is not installed; pip install "runner[compare]"'
        in compared(find([tmp_path]).runs).remarks
    )


def test_only_runs_of_equal_data_and_budget_are_held_against_each_other(tmp_path):
    made(tmp_path / "a", 60.0, method="a")
    made(tmp_path / "b", 70.0, method="b", samples=480)
    made(tmp_path / "c", 80.0, method="c", changes={"scale": 0.5})
    made(tmp_path / "d", 50.0, method="d")
    found = compared(find([tmp_path]).runs)
    assert [row.named["method"] for row in found.rows] == ["a", "d", "b", "c"]
    assert [mark for mark, _ in marks(tmp_path)] == ["best", "untested", "", ""]
    assert "lines part what was trained or measured on other data, or trained on more or fewer samples" in found.remarks


def test_a_run_without_the_value_stands_apart(tmp_path):
    made(tmp_path / "a", 60.0, method="a")
    made(tmp_path / "b", None, method="b")
    made(tmp_path / "c", 50.0, method="c")
    assert [mark for mark, _ in marks(tmp_path)] == ["best", "", "untested"]
