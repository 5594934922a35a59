"""Rows are configurations without their seeds, named by what differs."""

import pytest

from runner.compare.configurations import configurations, natural
from runner.compare.runs import find
from runner.errors import ConfigurationError
from tests.compare.made import made


def rows(folder, by=()):
    found = configurations(find([folder]).runs, by)
    return [(" ".join(f"{key}={value}" for key, value in row.named.items()), len(row.runs)) for row in found.rows]


def test_runs_that_differ_in_their_seeds_are_one_row_without_a_name(tmp_path):
    for seed in range(3):
        made(tmp_path / str(seed), 50.0, seed=seed)
    assert rows(tmp_path) == [("", 3)]
    assert configurations(find([tmp_path]).runs).common == {"method": "course", "dataset": "images", "model": "net"}


def test_rows_are_named_by_the_settings_that_differ_in_their_natural_order(tmp_path):
    for rate in (0.1, 0.05, 10.0):
        for seed in (0, 1):
            made(tmp_path / f"{rate}-{seed}", 50.0, seed=seed, changes={"method": {"rate": rate}})
    assert rows(tmp_path) == [("method.rate=0.05", 2), ("method.rate=0.1", 2), ("method.rate=10.0", 2)]


def test_what_another_method_has_in_place_of_a_key_is_said_by_its_name(tmp_path):
    made(tmp_path / "a", 50.0, changes={"method": {"generations": 3}})
    made(tmp_path / "b", 50.0, method="alone", changes={"method": {"rate": 0.5}})
    assert rows(tmp_path) == [("method=alone", 1), ("method=course", 1)]


def test_a_recipe_s_settings_for_its_data_are_said_by_their_name_but_not_those_of_one_data_set(tmp_path):
    photos = {"choices": {"dataset": "photos"}}
    made(tmp_path / "a", 50.0, changes={"method": {"rate": 0.5}})
    made(tmp_path / "b", 50.0, changes={"method": {"rate": 0.1}, **photos})
    assert rows(tmp_path) == [("dataset=images", 1), ("dataset=photos", 1)]
    made(tmp_path / "c", 50.0, method="alone", changes={"dataset": {"side": 16}})
    assert [name for name, _ in rows(tmp_path)] == [
        "method=alone dataset=images dataset.side=16",
        "method=course dataset=images dataset.side=8",
        "method=course dataset=photos dataset.side=8",
    ]


def test_a_choice_inside_a_method_comes_before_its_keys(tmp_path):
    for policy, width in (("soft", 1), ("soft", 2), ("hard", 1)):
        inside = {"choices": {"method/policy": policy}, "method": {"policy": {"width": width}}}
        made(tmp_path / f"{policy}{width}", 50.0, changes=inside)
    assert [name for name, _ in rows(tmp_path)] == [
        "method.policy=hard method.policy.width=1",
        "method.policy=soft method.policy.width=1",
        "method.policy=soft method.policy.width=2",
    ]


def test_rows_may_be_those_of_some_keys_and_the_rest_is_pooled(tmp_path):
    for rate in (0.1, 0.2):
        for seed in (0, 1):
            made(tmp_path / f"{rate}-{seed}", 50.0, seed=seed, changes={"method": {"rate": rate}})
    found = configurations(find([tmp_path]).runs, ["seed"])
    assert [row.named for row in found.rows] == [{"seed": "0"}, {"seed": "1"}]
    assert found.pooled == ["method.rate"]
    assert found.rows[0].pairs == [("0.1",), ("0.2",)]
    assert rows(tmp_path, ["method"]) == [("method=course", 4)]


def test_a_key_that_no_run_has_is_refused_with_the_nearest_that_one_has(tmp_path):
    made(tmp_path / "a", 50.0, changes={"method": {"rate": 0.1}})
    made(tmp_path / "b", 50.0, changes={"method": {"rate": 0.2}})
    message = r"--by method.rat: no run has this key; use method.rate; did you mean 'method.rate'\?"
    with pytest.raises(ConfigurationError, match=message):
        rows(tmp_path, ["method.rat"])


def test_numbers_in_names_are_sorted_by_their_size():
    assert sorted(["b", "a10", "a9", "A1", "0.5", "1e-3"], key=natural) == ["1e-3", "0.5", "A1", "a9", "a10", "b"]
