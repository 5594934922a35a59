"""`method=ke --help` says of every key its value, what it may hold and what it means; --help alone what there is to choose."""

import re

import pytest

from runner.configuration import composition, files, hints, usage
from runner.configuration.arguments import read
from runner.configuration.comments import comments, of_text
from tests.configuration.own import write


def helped(*typed):
    command = read([*typed, "--help"])
    return usage.of_options(composition.composed(command.overrides), command.options())


def test_every_key_of_a_method_with_value_rule_and_comment():
    text = helped("method=ke")
    for key, rule in files.options("method")["ke"]["_rules_"].items():
        assert re.search(rf"^  method\.{key}=\S+ +{re.escape(rule)}$", text, re.M), key
    assert text.startswith("method=ke: Knowledge Evolution, trains one network over generations")
    assert "  method.generations=5" in text
    assert "      the first is plain training; each has the epochs, evaluations and schedule" in text
    assert text.endswith(
        "with dataset=rooms model=resnet18; --help alone shows what there is to choose and the keys of every run"
    )


def test_what_was_typed_is_shown_and_what_another_choice_would_be():
    text = helped("method=tsslbp", "model.gradient=surrogate", "method.epochs=7")
    assert "  method.epochs=7 " in text
    assert "model.gradient=surrogate: an ablation, surrogate derivatives everywhere" in text
    assert "  in place of surrogate: hm2bp, no_intra, stbp, strsbp, tssl" in text
    assert "method.policy=gumbel: AdaShare's, logits" in helped("method.policy=gumbel")
    assert "dataset.tasks=null            null | list of segmentation" in helped("dataset=nyu")


def test_a_recipe_shows_all_that_it_chooses_and_what_it_says_of_itself():
    lines = helped("experiment=tsslbp/mnist").splitlines()
    assert lines[:2] == ["experiment=tsslbp/mnist", "  MNIST, 15C5-P2-40C5-P2-300, 5 steps"]
    assert [line.split(":")[0] for line in lines if re.match(r"\w+=", line)][1:] == [
        "method=tsslbp",
        "dataset=mnist",
        "model=snn_mnist",
    ]


def test_help_alone_lists_what_there_is_and_the_keys_of_every_run():
    text = usage.text()
    for group in (*files.GROUPS, "experiment", "method/policy", "model/gradient"):
        assert all(re.search(rf"^  {re.escape(name)} +\S", text, re.M) for name in files.options(group)), group
    assert all(f"\n  {key}=" in text for key in files.top()["_rules_"])
    assert "python -m runner method=ke --help" in text


@pytest.mark.parametrize("group", [*files.GROUPS, "method/policy", "model/gradient"])
def test_every_key_has_a_comment(group):
    for name, content in files.options(group).items():
        assert not content["_rules_"].keys() - comments(files.folders(), f"{group}/{name}").keys(), name
    assert not files.top()["_rules_"].keys() - comments(files.folders(), "config").keys()


def test_where_a_comment_stands():
    text = "# the file\n\n_about_: x  # no key\n# both\n# lines\na: 1\nb: 2\nc: [1]  # behind\nd: '#'   # last\ne: 3\n"
    assert of_text(text) == {"a": "both lines", "b": "both lines", "c": "behind", "d": "last"}


def test_options_of_ones_own_inherit_comments(tmp_path):
    own = write(tmp_path, method__mine="defaults: [ke, _self_]\n_about_: mine\nepochs: 3\n")
    files.search([own])
    said = comments(files.folders(), "method/mine")
    assert said["epochs"] == "of each generation; the published runs have 200"
    assert said["momentum"] == "of SGD"
    files.search([])
    assert hints.owners("method.generations") == ["method=ban", "method=ke"]
