"""Every recipe under conf/experiment composes, passes the checks and names figures that a report can show."""

import math
from functools import cache

import pytest
import yaml

from runner.configuration import files
from runner.report.performance import relative_performance
from runner.tasks import Task
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.regression import HeatMap
from runner.tasks.segmentation import Segmentation
from tests.compose import composed

RECIPES = list(files.options("experiment"))
KINDS: dict[str, Task] = {
    "segmentation": Segmentation(40),
    "normals": Normals(),
    "depth": Depth(),
    "class": Classification(100),
}
OF_TASKONOMY: dict[str, Task] = {
    "segmentation": Segmentation(17, judged_by="cross_entropy"),
    "normals": Normals(judged_by="cosine"),
    **dict.fromkeys(("depth", "keypoints", "edges"), HeatMap()),
}
UNCOUNTED = {"top5"}  # measured, but not among the metrics that say which network is better


@cache
def recipe_config(recipe):
    return composed(f"experiment={recipe}")


def content(recipe):
    return (files.folder() / "experiment" / f"{recipe}.yaml").read_text()


def test_there_are_recipes_of_every_method_s_paper():
    assert {recipe.partition("/")[0] for recipe in RECIPES} >= {"adashare", "ke", "tsslbp"}


def said(recipe):
    """What a recipe's own file says, and before that the files that it inherits from."""
    written = yaml.safe_load(content(recipe))
    bases = [entry.removeprefix("/experiment/") for entry in written.get("defaults", []) if isinstance(entry, str)]
    return [before for base in bases if base != "_self_" for before in said(base)] + [written]


def overrides(files_said):
    """group -> option, the last that is said."""
    entries = [entry for written in files_said for entry in written.get("defaults", []) if isinstance(entry, dict)]
    return {key.removeprefix("override /"): option for entry in entries for key, option in entry.items()}


def flat(node, prefix=""):
    """Nested settings by their names with dots; maps and lists are values."""
    found = {}
    for key, value in node.items():
        nested = isinstance(value, dict) and prefix + key in {"method", "dataset", "model", "method.policy"}
        found |= flat(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return found


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_composes_to_what_it_says(recipe):
    settings = recipe_config(recipe)
    chosen = overrides(said(recipe))
    assert {"method", "dataset", "model"} <= chosen.keys()
    assert chosen.items() <= settings.choices.items()
    expected = {}
    for written in said(recipe):
        for key, value in flat({name: value for name, value in written.items() if name != "defaults"}).items():
            expected[key] = {**expected.get(key, {}), **value} if isinstance(value, dict) else value
    assert expected.items() <= flat(settings.recorded()).items()


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_is_global_and_says_in_one_line_what_it_is(recipe):
    first, second = content(recipe).splitlines()[:2]
    assert first == "# @package _global_"
    assert second.startswith("# ")


@pytest.mark.parametrize("recipe", RECIPES)
def test_published_figures_are_of_metrics_that_the_tasks_have(recipe):
    settings = recipe_config(recipe)
    kinds = OF_TASKONOMY if settings.choices["dataset"] == "taskonomy" else KINDS
    for key, value in (settings.published or {}).items():
        *where, task, metric = key.split("/")
        assert len(where) in (0, 2), key  # nothing, or stage and predictor
        assert task in settings.dataset["tasks"], key
        measured = metric.removesuffix("_std").removesuffix("_best")
        assert measured in kinds[task].higher_is_better.keys() | UNCOUNTED, key
        assert math.isfinite(value), key
        assert key.removesuffix("_std").removesuffix("_best") in settings.published, key


def ke_recipes():
    return {name: recipe_config(name) for name in RECIPES if name.startswith("ke/")}


def test_published_generations_name_stages_that_the_recipe_has():
    for name, settings in ke_recipes().items():
        stages = [key.split("/")[0] for key in settings.published or {} if key.count("/") == 3]
        expected = (
            {f"generation{number + 1:02}" for number in range(settings.method["generations"])} if stages else set()
        )
        assert set(stages) == expected, name


def test_small_cub_recipes_differ_in_nothing_but_the_method_and_share_the_epochs():
    small = {
        name.rpartition("/")[2]: each for name, each in ke_recipes().items() if name.startswith("ke/cub100_small/")
    }
    evolution = small["ke"].method
    total = evolution["generations"] * evolution["epochs"]
    one = {
        "ke",
        "later_layers",
        "cross_entropy",
        "adacos",
        "label_smoothing",
    }  # these name the epochs of one generation
    spent = {
        "ban": lambda method: method["generations"] * method["epochs"],
        "lottery": lambda method: method["levels"] * method["epochs"],
        "dsd": lambda method: sum(method[key] for key in ("epochs", "sparse_epochs", "redense_epochs")),
        "repr": lambda method: method["rounds"] * (method["epochs"] + method["pruned_epochs"]) + method["epochs"],
    }
    assert small.keys() == {*one, *spent, "long", "slim_scratch"}
    for method, settings in small.items():
        assert settings.choices["method"] == {"later_layers": "ke", "adacos": "cross_entropy"}.get(method, method)
        assert settings.dataset == small["ke"].dataset
        assert settings.dataset["train_flag"] == 0
        count = spent.get(method, lambda method: method["epochs"])(settings.method)
        assert count == (evolution["epochs"] if method in one else total), method
        assert settings.method["smoothing"] == (0 if method in ("cross_entropy", "adacos") else 0.1)
        for key in ("batch_size", "learning_rate", "warmup_epochs", "momentum", "weight_decay"):
            assert settings.method[key] == evolution[key]
    assert small["slim_scratch"].method["slim_rate"] == evolution["split_rate"]


def test_recipes_that_quote_tssl_bp_s_paper_use_the_version_that_it_used():
    for name in (name for name in RECIPES if name.startswith("tsslbp/")):
        settings = recipe_config(name)
        released = name.endswith("_released")
        assert settings.model["version"] == ("released" if released else "published"), name
        assert (settings.published is None) == (released or name == "tsslbp/ablation"), name


OVER_THE_SAME_BLOCKS = ("cross_stitch", "sluice", "nddr", "mtan")
TABLES = tuple(
    f"adashare/{name}" for name in ("nyu_2task", "nyu_3task", "nyu_small", "cityscapes_2task", "taskonomy_5task")
)


@pytest.mark.parametrize("table", TABLES)
def test_recipes_of_one_table_differ_in_what_their_rows_differ(table):
    """The folder is the table, the file the row; what the rows share stands in one place."""
    rows = {row: recipe_config(f"{table}/{row}") for row in ("adashare", "hard_sharing", "single_task")}
    for row, settings in rows.items():
        assert settings.choices["method"] == row
        assert settings.model == rows["adashare"].model
    others = {row: recipe_config(f"{table}/{row}") for row in OVER_THE_SAME_BLOCKS}
    for row, settings in others.items():
        assert (settings.choices["model"], settings.choices["method"]) == (row, "hard_sharing")
        sizes = {key: value for key, value in settings.model["backbone"].items() if key[0] != "_"}
        assert sizes.items() <= rows["hard_sharing"].model.items()  # or single tasks would be no reference
        assert settings.method == rows["hard_sharing"].method
    for row, settings in {**rows, **others}.items():
        assert settings.dataset == rows["adashare"].dataset
        assert settings.selection == rows["adashare"].selection
        assert settings.method["loss_weights"] == rows["adashare"].method["loss_weights"]
        steps = settings.method["retrain_steps" if row == "adashare" else "steps"]
        assert steps == rows["adashare"].method["retrain_steps"]  # equal budgets


@pytest.mark.parametrize("table", [table for table in TABLES if table != "adashare/nyu_small"])
def test_rows_of_a_published_table_have_figures_of_the_same_metrics(table):
    rows = [
        recipe_config(f"{table}/{row}") for row in ("adashare", "hard_sharing", "single_task", *OVER_THE_SAME_BLOCKS)
    ]
    assert all(settings.published.keys() == rows[0].published.keys() for settings in rows)


@pytest.mark.parametrize("table", TABLES)
def test_the_elastic_row_has_the_network_and_the_steps_of_adashare_s(table):
    found, adashare = recipe_config(f"{table}/elastic"), recipe_config(f"{table}/adashare")
    assert (found.choices["model"], found.choices["method"]) == ("elastic", "elastic")
    assert (found.dataset, found.selection) == (adashare.dataset, adashare.selection)
    sizes = {key: value for key, value in found.model["backbone"].items() if key[0] != "_"}
    assert sizes.items() <= adashare.model.items()  # or single tasks would be no reference
    alike = ("warmup_steps", "num_cycles", "weight_steps", "policy_steps", "retrain_steps", "retrain_evaluations")
    for key in (*alike, "search_optimizer", "batch_size", "decay_steps", "decay_factor", "loss_weights"):
        assert found.method[key] == adashare.method[key], key
    assert (found.published or {}).keys() == (adashare.published or {}).keys()


POLICY_ROWS = {  # recipe -> policy
    "random": "random",
    "random_per_task": "random_per_task",
    "stochastic_depth": "stochastic_depth",
    "reinforce": "reinforce",
    "instance": "instance",
    "no_curriculum": "gumbel",
    "no_sparsity": "gumbel",
    "no_sharing": "gumbel",
}


@pytest.mark.parametrize("row", POLICY_ROWS)
@pytest.mark.parametrize("table", ["adashare/nyu_2task", "adashare/nyu_small"])
def test_recipes_of_other_policies_are_adashare_s_without_figures(table, row):
    """Nobody knows what the paper's figures of them are."""
    found, adashare = recipe_config(f"{table}/{row}"), recipe_config(f"{table}/adashare")
    assert found.choices["method/policy"] == POLICY_ROWS[row]
    assert found.published is None
    assert (found.dataset, found.model, found.selection) == (adashare.dataset, adashare.model, adashare.selection)
    searched = ("num_cycles", "weight_steps", "policy_steps", "search_optimizer", "policy_from", "search_evaluations")
    for key in (
        *("retrain_steps", "retrain_evaluations", "batch_size", "decay_steps", "loss_weights"),
        *(searched if POLICY_ROWS[row] in ("gumbel", "reinforce", "instance") else ()),
    ):
        assert found.method[key] == adashare.method[key], key
    assert found.method["num_draws"] == (1 if row == "stochastic_depth" else adashare.method["num_draws"])


@pytest.mark.parametrize("table", ["adashare/nyu_2task", "adashare/nyu_small"])
def test_an_ablation_leaves_out_what_it_says(table):
    def policy(row):
        return recipe_config(f"{table}/{row}").method["policy"]

    whole = policy("adashare")
    assert not recipe_config(f"{table}/no_curriculum").method["curriculum"]
    assert policy("no_curriculum") == whole
    assert policy("no_sparsity") == {**whole, "sparsity_weight": 0}
    assert policy("no_sharing") == {**whole, "sharing_weight": 0, "sparsity": "depth_weighted"}


DELTAS = {
    "nyu_2task": (-4.6, -0.1, 2.2, 3.1, 5.5, -0.6, 5.8),
    "nyu_3task": (1.3, 0.9, -0.9, -5.6, 2.3, -15.0, 8.5),
    "cityscapes_2task": (-2.1, 3.1, 1.6, 2.3, 2.9, -2.4, 2.8),
    "taskonomy_5task": (-1.0, -1.3, -0.4, 0.2, -2.0, -9.4, 1.1),
}


@pytest.mark.parametrize("table", DELTAS)
def test_figures_of_a_table_give_its_relative_performance(table):
    """The mean gain over the single tasks' row, in percent, as the figures of the tables give it."""
    rows = ("single_task", "hard_sharing", *OVER_THE_SAME_BLOCKS, "elastic", "adashare")
    kinds = OF_TASKONOMY if table.startswith("taskonomy") else KINDS
    base, *others = ({} for _ in rows)
    for row, values in zip(rows, (base, *others), strict=True):
        for key, value in recipe_config(f"adashare/{table}/{row}").published.items():
            task, metric = key.split("/")
            values.setdefault(task, {})[metric] = value
    directions = {task: kinds[task].higher_is_better for task in base}
    gains = [relative_performance(values, base, directions).mean for values in others]
    assert [round(gain, 1) for gain in gains] == list(DELTAS[table])
