"""The checked configuration as one frozen value."""

import dataclasses
import subprocess
import sys

import pytest
import yaml

from runner.configuration import files
from runner.configuration.identity import digest
from runner.configuration.settings import Settings
from runner.errors import DataError
from tests.compose import composed, small, smallness

GROUPS = set(files.GROUPS)


def test_its_fields_are_the_keys_of_config_yaml_and_the_groups():
    top = yaml.safe_load((files.folder() / "config.yaml").read_text())["_rules_"]
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields == set(top) | GROUPS | {"choices", "tracker", "given", "neutral", "sha256"}


def test_it_is_frozen_and_needs_nothing_heavy():
    with pytest.raises(dataclasses.FrozenInstanceError):
        composed().seed = 3
    program = "import sys, runner.configuration.settings; assert not {'torch', 'hydra', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_it_has_the_choices_of_groups_and_parts():
    assert composed("experiment=tsslbp/mnist").choices == {
        "method": "tsslbp",
        "dataset": "mnist",
        "model": "snn_mnist",
        "model/gradient": "tssl",
    }


def test_given_are_whole_numbers_of_the_method_from_the_command_line_where_they_are_shrunk():
    typed = ("method=ke", "method.epochs=3", "method.generations=4", "++method.batch_size=8", "method.learning_rate=1")
    assert composed(*typed, "scale=0.1").given == ("batch_size", "epochs", "generations")
    assert composed(*typed).given == ()
    assert composed("experiment=ke/cub100_small/ke", "scale=0.1").given == ()  # a recipe's numbers are not the user's
    assert composed("method=ke", "method.warmup_epochs=null", "scale=0.1").given == ()


def test_recorded_are_values_and_what_the_identity_needs_and_no_rules():
    recorded = composed("dataset=mnist", "method=tsslbp").recorded()
    assert recorded["dataset"] == {
        "_target_": "runner.datasets.mnist.Mnist",
        "root": "data/mnist",
        "tasks": ["class"],
        "_rules_": {"root": "path"},
    }
    assert "_rules_" not in recorded["method"]
    assert recorded["model"]["gradient"] == {"_target_": "runner.spiking.rules.GradientRule", "name": "tssl"}
    assert recorded["given"] == []


def test_what_another_version_recorded_is_refused_in_words():
    recorded = composed().recorded()
    del recorded["published"]
    with pytest.raises(DataError, match=r"recorded by another version of the runner \(published, reference\)"):
        Settings.from_recorded({**recorded, "reference": None})


def test_what_was_recorded_before_a_key_with_a_default_came_is_read():
    recorded = composed().recorded()
    del recorded["neutral"], recorded["plugins"], recorded["sha256"], recorded["compile"], recorded["batch_norm"]
    assert digest(Settings.from_recorded(recorded)) == digest(composed())


@pytest.mark.parametrize("method", files.options("method"))
def test_every_method_has_a_small_form_from_its_own_files(method):
    settings = small(method)
    assert settings.choices["method"] == method
    assert settings.dataset["train"] == 24
    counts = {"epochs", "steps", "retrain_steps", "warmup_steps", "num_draws", "generations"} & settings.method.keys()
    assert counts
    assert max(settings.method[key] for key in counts) <= 4


def test_a_small_form_knows_the_options_that_are_chosen_and_gives_way_to_what_is_typed():
    settings = small("tsslbp", "model=snn_mlp", "method.epochs=3", "model.gradient=surrogate")
    assert settings.model["layers"] == "4C5-P2-20"
    assert settings.choices["model"] == "snn_mlp"
    assert settings.choices["model/gradient"] == "surrogate"
    assert settings.method["epochs"] == 3
    assert "model.widths=[4,4,8,8]" in smallness("hard_sharing")
