"""Which settings two runs do not share."""

import pytest

from runner.compare.difference import difference
from runner.errors import DataError
from tests.compare.made import made


def test_settings_that_differ_stand_beside_each_other(tmp_path):
    one = made(tmp_path / "one", 50.0, changes={"method": {"rate": 0.1, "order": None}})
    other = made(tmp_path / "the other", 50.0, seed=1, changes={"method": {"rate": 0.2}}, status="failed")
    assert difference(one, other) == [
        "              one   the other",
        "seed          0     1",
        "method.rate   0.1   0.2",
        "method.order  null  -",
    ]


def test_runs_of_equal_settings_are_said_to_be_so(tmp_path):
    one, other = made(tmp_path / "one", 50.0), made(tmp_path / "other", 60.0)
    assert difference(one, other) == [f"{one} and {other} were asked for the same"]


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere is no folder of a run: its config.yaml cannot be read"):
        difference(made(tmp_path / "one", 50.0), tmp_path / "nowhere")
