"""A run's identity is what was asked, is pinned, and outlives keys that come later."""

import dataclasses
import hashlib
import json

import pytest
import yaml

from runner.configuration import files
from runner.configuration.identity import digest, run_name
from runner.configuration.settings import Settings
from runner.errors import CheckpointError
from runner.rundir.folder import RunFolder
from tests import toy
from tests.compose import composed
from tests.configuration.own import write

SETTINGS = dataclasses.replace(
    toy.SETTINGS,
    seed=3,
    selection="last",
    evaluation_batch=32,
    checkpoint_minutes=5.0,
    method={"_target_": "runner.m", "rule": {"_target_": "runner.r", "_rules_": {"width": "float"}, "width": 0.5}},
    dataset={"_about_": "data", "_rules_": {"root": "null | path", "size": "int"}, "root": "/a", "size": 4},
    model={},
    choices={"method": "m", "method/rule": "soft", "dataset": "d", "model": "x y"},
    neutral={"compile": False, "batch_norm": "whole"},
)


def changed(**values):
    return dataclasses.replace(SETTINGS, **values)


def test_the_name_is_pinned():
    canonical = (
        '{"choices":{"dataset":"d","method":"m","method/rule":"soft","model":"x y"},"dataset":{"size":4},'
        '"evaluation_batch":32,"evaluation_batches":null,"method":{"rule":{"width":0.5}},"model":{},'
        '"precision":"float32","scale":1.0,"seed":3,"selection":"last"}'
    )
    assert digest(SETTINGS) == hashlib.sha256(canonical.encode()).hexdigest()[:8] == "b873dd9f"
    assert run_name(SETTINGS) == "m-d-x_y-seed3-b873dd9f"


def test_what_changes_no_result_does_not_count():
    other = {**SETTINGS.dataset, "root": "/b", "_about_": "other words"}
    elsewhere = {"_target_": "runner.elsewhere.M", "rule": {"_target_": "runner.other.R", "width": 0.5}}
    alike = changed(device="cuda", threads=4, cache_dir="/c", dataset=other, method=elsewhere, baseline_run="/r")
    assert digest(dataclasses.replace(alike, published={"a": 1.0}, checkpoint_minutes=0.0)) == digest(SETTINGS)


def test_what_changes_a_result_counts():
    different = [
        changed(seed=4),
        changed(scale=0.5),
        changed(precision="bfloat16"),
        changed(compile=True),
        changed(batch_norm="per_process"),
        changed(selection="test"),
        changed(given=("epochs",)),
        changed(dataset={**SETTINGS.dataset, "size": 5}),
        changed(method={"rule": {"width": 0.6}}),
        changed(choices={**SETTINGS.choices, "method": "n"}),
        changed(choices={**SETTINGS.choices, "method/rule": "hard"}),
        changed(plugins={"my_package": "1.0"}),
    ]
    assert len({digest(settings) for settings in [SETTINGS, *different]}) == 13


def test_packages_count_by_name_and_their_versions_are_only_recorded():
    first, second = changed(plugins={"mine": "1.0"}), changed(plugins={"mine": "2.0"})
    assert digest(first) == digest(second) != digest(changed(plugins={"yours": "1.0"}))
    assert first.recorded()["plugins"] == {"mine": "1.0"}


OLD = """
defaults: [_epochs, _self_]
_target_: runner.methods.mine.Mine
_about_: a method as it was once
"""
NEW = """
defaults: [_epochs, order: shuffled, _self_]
_target_: runner.methods.moved.Mine
_about_: the same with a key and a choice that came later
_rules_: {temperature: float > 0}
_neutral_: {temperature: 1.0, order: shuffled, order.width: 2}
temperature: 1.0
"""
ORDERS = {
    "method__order__shuffled": "_target_: runner.x.X\n_about_: x\n_rules_: {width: int}\nwidth: 2\n",
    "method__order__pairs": "_target_: runner.x.Y\n_about_: y\n_rules_: {}\n",
}


def folder_of(settings, place):
    """A folder as a run leaves it, found as the command finds it: by its name and the digest in it."""
    folder = RunFolder(place / run_name(settings))
    folder.path.mkdir()
    folder.write_summary({"status": "finished", "digest": digest(settings), "score": 0.5})
    folder.config.write_text(yaml.safe_dump(settings.recorded()))
    return folder


def test_an_old_folder_is_found_after_a_key_and_a_choice_came_at_their_neutral_values(tmp_path):
    (tmp_path / "outputs").mkdir()
    old = folder_of(composed("method=mine", config_dir=write(tmp_path / "old", method__mine=OLD)), tmp_path / "outputs")
    own = write(tmp_path / "new", method__mine=NEW, **ORDERS)
    now = composed("method=mine", config_dir=own)
    assert now.method["temperature"] == 1.0
    assert now.choices["method/order"] == "shuffled"
    found = RunFolder(tmp_path / "outputs" / run_name(now))
    assert found.path == old.path
    assert found.finished()
    found.require_identity(digest(now))
    for typed in ("method.temperature=2", "method.order=pairs", "method.order.width=3", "method.epochs=11"):
        other = composed("method=mine", typed, config_dir=own)
        assert run_name(other) != old.path.name, typed
        with pytest.raises(CheckpointError, match="belongs to configuration"):
            found.require_identity(digest(other))


def test_a_neutral_value_may_stand_in_the_part_too(tmp_path):
    """All keys of the part at the neutral values of its own file: then it is as if there were no part."""
    old = composed("method=mine", config_dir=write(tmp_path / "old", method__mine=OLD))
    method = NEW.replace("order: shuffled, order.width: 2", "order: shuffled")
    part = ORDERS["method__order__shuffled"] + "_neutral_: {width: 2}\n"
    own = write(tmp_path / "new", method__mine=method, **{**ORDERS, "method__order__shuffled": part})
    assert digest(composed("method=mine", config_dir=own)) == digest(old)
    assert digest(composed("method=mine", "method.order.width=3", config_dir=own)) != digest(old)


def test_without_neutral_keys_a_choice_that_has_some_counts(tmp_path):
    old = composed("method=mine", config_dir=write(tmp_path / "old", method__mine=OLD))
    method = NEW.replace("order: shuffled, order.width: 2", "order: shuffled")
    own = write(tmp_path / "new", method__mine=method, **ORDERS)
    assert digest(composed("method=mine", config_dir=own)) != digest(old)


def test_a_key_of_the_run_at_its_neutral_value_does_not_count():
    def neutral(**values):
        return {**SETTINGS.neutral, **values}

    assert digest(changed(neutral=neutral(selection="last"))) != digest(SETTINGS)  # it is left out, as before it came
    assert digest(changed(neutral=neutral(selection="test"))) == digest(SETTINGS)
    later = changed(neutral=neutral(precision="float32"), precision="bfloat16")
    assert digest(later) == digest(changed(precision="bfloat16"))


def test_what_is_recorded_has_the_same_identity_and_can_be_read_back():
    settings = composed("method=tsslbp", "scale=0.5", "method.epochs=3", "cache_dir=/c", "threads=2")
    recorded = yaml.safe_load(yaml.safe_dump(settings.recorded()))
    back = Settings.from_recorded(json.loads(json.dumps(recorded)))
    assert digest(back) == digest(settings)
    assert (back.given, back.threads, back.cache_dir, back.scale) == (("epochs",), 2, "/c", 0.5)
    assert back.recorded() == recorded


PINNED = {  # of every method as it is without a word on the command line; a change makes every earlier run of it another
    "adashare": "de4ca7bf",
    "ann2snn": "3ce37f8a",
    "ban": "5b697933",
    "cross_entropy": "372a7b70",
    "dsd": "60ab7e76",
    "elastic": "783ca524",
    "hard_sharing": "8126b903",
    "ke": "8c21c8c5",
    "label_smoothing": "8dae271b",
    "long": "645d81b1",
    "lottery": "47d86705",
    "repr": "c8231bdf",
    "single_task": "f07c4919",
    "hm2bp": "5d50f392",
    "slayer": "55ad47b3",
    "slim_scratch": "bfd437e4",
    "srdp": "44089c79",
    "stbp": "32068633",
    "stdp": "e2c085bc",
    "strsbp": "4f5cd59d",
    "tsslbp": "a5780e58",
}


def test_the_digests_of_all_methods_are_pinned():
    """Where a key comes, give it a `_neutral_` value in its file; then nothing changes here."""
    assert {method: digest(composed(f"method={method}")) for method in files.options("method")} == PINNED


PINNED_SPIKING = {  # as they were under the names that some of them had before: mnist_released was mnist, mnist mnist_published
    "mnist": "9533dd35",
    "mnist_released": "e4d9a24f",
    "fashion_mlp": "cc8bd819",
    "fashion_mlp_released": "79286f94",
    "fashion_cnn": "ec9d2c14",
    "fashion_cnn_released": "04271273",
    "cifar10_alexnet_released": "5c121a67",
    "cifar10_cifarnet_released": "9a7780f6",
    "nmnist_30_released": "3bc9fb6a",
    "nmnist_100_released": "ec57ce0e",
}


@pytest.mark.parametrize("recipe", PINNED_SPIKING)
def test_spiking_recipes_that_changed_their_names_are_the_runs_that_they_were(recipe):
    assert digest(composed(f"experiment=tsslbp/{recipe}")) == PINNED_SPIKING[recipe]


FIVE_TASKS = ["dataset.tasks=[segmentation,normals,depth,edges,keypoints]", "method.decay_steps=4000"]
OLDER_DEFAULTS = {
    "adashare": [
        *("method.warmup_steps=200", "method.num_cycles=14", "method.weight_steps=12"),
        *("method.policy.temperature_decay=0.8", "method.policy.learning_rate=0.03"),
        *("method.policy.sparsity_weight=0.02", "method.policy.sharing_weight=0.05"),
    ],
    "hard_sharing": ["method.steps=500"],
    "single_task": ["method.steps=500"],
}


@pytest.mark.parametrize(
    ("method", "before"), [("adashare", "7b6eafb1"), ("hard_sharing", "1b6837e9"), ("single_task", "eb033fc0")]
)
def test_runs_of_before_there_were_statistics_of_each_task_are_found_again(method, before):
    """What they had is `model.statistics=shared`, five tasks and other defaults; the digests are those that were pinned then."""
    then = [f"method={method}", "model.statistics=shared", *FIVE_TASKS, *OLDER_DEFAULTS[method]]
    assert digest(composed(*then)) == before
