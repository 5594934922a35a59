"""An old spelling is refused with the new one named, and every new one exists."""

import pytest

from runner.configuration import files, renamed
from runner.configuration.hints import keys
from tests.compose import composed, refused
from tests.configuration.own import write

SPIKING = ("method=tsslbp",)


@pytest.mark.parametrize("old", [key for key in renamed.KEYS if key.startswith("method.") or "." not in key])
def test_old_keys_of_the_run_and_of_adashare(old):
    new = renamed.KEYS[old]
    assert refused(f"{old}=1") == f"{old} is now {new}"
    assert refused(f"++{old}=1") == f"{old} is now {new}"


@pytest.mark.parametrize("new", [*renamed.KEYS.values()])
def test_new_keys_exist(new):
    assert new.removesuffix(".released").removesuffix(".published") in keys()


def test_entries_of_maps():
    assert refused("method.weights.depth=2") == "method.weights.depth is now method.loss_weights.depth"
    assert refused("method.weights={depth: 2}") == "method.weights.depth is now method.loss_weights.depth"
    assert refused(*SPIKING, "model.tau_m.head=3") == "model.tau_m.head is now model.tau_m.released"
    assert refused(*SPIKING, "model.tau_s={paper: 2}") == "model.tau_s.paper is now model.tau_s.published"


@pytest.mark.parametrize(("key", "old"), list(renamed.WORDS))
def test_old_words(key, old):
    new = renamed.WORDS[key, old]
    assert refused(*SPIKING, f"{key}={old}") == f"{key}={old} is now {key}={new}"
    assert composed(*SPIKING, f"{key}={new}").model[key.removeprefix("model.")] == new


def test_keys_of_a_model():
    assert refused(*SPIKING, "model.errors=bfloat16") == "model.errors is now model.gradient_dtype"


@pytest.mark.parametrize("old", renamed.RECIPES)
def test_old_recipes(old):
    new = renamed.RECIPES[old]
    assert refused(f"experiment={old}") == f"experiment={old} is now experiment={new}"
    assert new in files.options("experiment")


def test_all_recipes_that_moved_have_their_old_names():
    """What came later never had another."""
    assert len(renamed.RECIPES) == 9 + 14 + 6


def test_an_old_name_that_another_method_has_by_now_is_not_taken_for_it(monkeypatch):
    monkeypatch.setitem(renamed.KEYS, "method.steps", "method.retrain_steps")
    assert refused("method.steps=3") == (
        "method.steps is not a key here; it belongs to method=hard_sharing, method=single_task, or is now method.retrain_steps"
    )
    assert composed("method=hard_sharing", "method.steps=3").method["steps"] == 3


def test_old_names_in_files_of_ones_own(tmp_path):
    recipe = "# @package _global_\nreference: {depth/rel: 1.0}\n"
    assert (
        refused("experiment=mine", config_dir=write(tmp_path, experiment__mine=recipe)) == "reference is now published"
    )
