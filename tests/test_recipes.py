"""Every recipe under conf/experiment composes, passes the checks and names figures that a report can show."""

import math
from functools import cache

import pytest
import yaml

from runner.configuration import files
from runner.tasks import Task
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.segmentation import Segmentation
from tests.compose import composed

RECIPES = list(files.options("experiment"))
KINDS: dict[str, Task] = {
    "segmentation": Segmentation(40),
    "normals": Normals(),
    "depth": Depth(),
    "class": Classification(100),
}
UNCOUNTED = {"top5"}  # measured, but not among the metrics that say which network is better


@cache
def recipe_config(recipe):
    return composed(f"experiment={recipe}")


def content(recipe):
    return (files.folder() / "experiment" / f"{recipe}.yaml").read_text()


def test_there_are_recipes_of_every_method_s_paper():
    assert {recipe.partition("/")[0] for recipe in RECIPES} >= {"adashare", "ke", "tsslbp"}


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_composes_to_what_it_says(recipe):
    config = recipe_config(recipe)
    written = yaml.safe_load(content(recipe))
    for entry in written.pop("defaults"):
        ((group, option),) = entry.items()
        assert config["choices"][group.removeprefix("override /")] == option
    for group in files.GROUPS:
        chosen = written.pop(group, {})
        assert chosen.items() <= config[group].items()
    assert written.items() <= config.items()


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_is_global_and_says_in_one_line_what_it_is(recipe):
    first, second = content(recipe).splitlines()[:2]
    assert first == "# @package _global_"
    assert second.startswith("# ")


@pytest.mark.parametrize("recipe", RECIPES)
def test_reference_is_of_metrics_that_the_tasks_have(recipe):
    config = recipe_config(recipe)
    for key, value in (config["reference"] or {}).items():
        *where, task, metric = key.split("/")
        assert len(where) in (0, 2), key  # nothing, or stage and predictor
        assert task in config["dataset"]["tasks"], key
        measured = metric.removesuffix("_std").removesuffix("_best")
        assert measured in KINDS[task].higher_is_better.keys() | UNCOUNTED, key
        assert math.isfinite(value), key
        assert key.removesuffix("_std").removesuffix("_best") in config["reference"], key


def ke_recipes():
    return {name: recipe_config(name) for name in RECIPES if name.startswith("ke/")}


def test_published_generations_name_stages_that_the_recipe_has():
    for name, config in ke_recipes().items():
        stages = [key.split("/")[0] for key in config["reference"] or {} if key.count("/") == 3]
        expected = (
            {f"generation{number + 1:02}" for number in range(config["method"]["generations"])} if stages else set()
        )
        assert set(stages) == expected, name


def test_small_cub_recipes_differ_in_nothing_but_the_method_and_share_the_epochs():
    small = {name: config for name, config in ke_recipes().items() if name.startswith("ke/cub100_small")}
    (evolution,) = [config["method"] for config in small.values() if config["choices"]["method"] == "ke"]
    total = evolution["generations"] * evolution["epochs"]
    epochs = {"ke": evolution["epochs"], "cross_entropy": evolution["epochs"], "label_smoothing": evolution["epochs"]}
    assert {config["choices"]["method"] for config in small.values()} == {*epochs, "long", "slim_scratch"}
    for config in small.values():
        assert config["dataset"] == small["ke/cub100_small"]["dataset"]
        assert config["dataset"]["train_flag"] == 0
        assert config["method"]["epochs"] == epochs.get(config["choices"]["method"], total)
        for key in ("batch_size", "learning_rate", "warmup_epochs", "momentum", "weight_decay"):
            assert config["method"][key] == evolution[key]
    assert small["ke/cub100_small_slim_scratch"]["method"]["slim_rate"] == evolution["split_rate"]
