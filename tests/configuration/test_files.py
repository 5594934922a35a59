"""Configuration files are read as Hydra composes them, and a wrong one is named instead of breaking every command."""

import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from runner.configuration import files, usage
from runner.configuration.composition import VERSION_BASE
from runner.configuration.reading import PARTS
from tests.compose import composed, refused
from tests.configuration.own import write

OPTIONS = [(group, name) for group in files.GROUPS for name in files.options(group)]


@pytest.fixture(autouse=True)
def only_our_own():
    """Forget other people's folders before and after a test."""
    files.search([])
    yield
    files.search([])


def by_hydra(group, name, *others):
    with initialize_config_dir(str(files.folder()), **VERSION_BASE):
        searched = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in others)}]"]
        return OmegaConf.to_container(compose("config", [*searched, f"{group}={name}"])[group])


def by_us(group, name):
    content = files.options(group)[name]
    return {key: value for key, value in content.items() if key != PARTS}


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_an_option_is_read_as_hydra_composes_it(group, name):
    assert by_us(group, name) == by_hydra(group, name)


@pytest.mark.parametrize("group", [*files.GROUPS, "method/policy", "model/gradient", "experiment"])
def test_nothing_in_conf_is_wrong(group):
    assert files.options(group)
    assert files.faults(group) == {}


def test_six_spiking_networks_are_one_and_five_short_ones():
    lines = {path.stem: len(path.read_text().splitlines()) for path in (files.folder() / "model").glob("snn_*.yaml")}
    assert len(lines) == 6
    assert sum(count <= 8 for count in lines.values()) == 5


def test_rules_are_merged_key_by_key_and_lists_replaced():
    content = files.options("method")["slim_scratch"]  # of long, of label_smoothing, of cross_entropy, of _epochs
    assert content["_rules_"]["slim_rate"] == "float in (0, 1)"
    assert content["_rules_"]["momentum"] == "float in [0, 1)"
    plain = {"model": ["label", "not spiking", "not gated", "not local"], "slim_rate": ["not spiking"]}
    assert content["_requires_"] == {**plain, "dataset": ["label"]}
    assert (content["epochs"], content["smoothing"], content["slim_rate"]) == (50, 0.1, 0.5)


def test_bases_are_no_options(tmp_path):
    assert not [name for group in files.GROUPS for name in files.options(group) if name.startswith("_")]
    assert not [name for name in files.options("experiment") if "/_" in name]
    told = refused("method=_epochs")
    assert told.startswith("method=_epochs is there to inherit from and cannot be run; choose method=adashare|")
    assert "cannot be run; choose experiment=" in refused("experiment=ke/cub100_small/_table")


def test_ones_own_option_may_inherit_from_ours(tmp_path):
    own = write(
        tmp_path,
        model__wide="""
            defaults: [snn_fashion, override gradient: surrogate, _self_]
            _about_: wider
            _rules_: {width: int >= 1}
            layers: 800-800
            width: 3
        """,
        model__wider="defaults: [wide, _self_]\n_about_: wider still\nlayers: 900-900\ngradient: {name: surrogate}\n",
        model__far="defaults: [/model/resnet18@_here_, _self_]\n_about_: by its whole path\ndepth: 34\n",
    )
    files.search([own])
    for name in ("wide", "wider", "far"):
        assert files.faults("model") == {}
        assert by_us("model", name) == by_hydra("model", name, own)
    content = files.options("model")["wider"]
    assert (content["layers"], content["width"], content["tau_m"]) == (
        "900-900",
        3,
        {"released": 5.0, "published": 4.0},
    )
    assert content["gradient"]["name"] == "surrogate"
    settings = composed("method=tsslbp", "model=wider", config_dir=own)
    assert settings.choices["model/gradient"] == "surrogate"


WRONG = {
    "no YAML": ("a: [1\nb: {", "x.yaml cannot be read: line 2: "),
    "no mapping": ("- 3\n", "x.yaml holds no `key: value` lines"),
    "nothing": ("", "x.yaml holds no `key: value` lines"),
    "no class": (
        "_about_: x\n_rules_: {}\n_provides_: []\n",
        "x.yaml has no _target_; add `_target_: package.module.Class`, or inherit it by `defaults: [other, _self_]`",
    ),
    "no rules, nothing said": (
        "_target_: runner.x.X\n_provides_: [label]\nwidth: 3\n",
        "x.yaml has no _about_ and no _rules_; add `_about_: a line for --help` and `_rules_: {epochs: int >= 1}`, or",
    ),
    "provides nothing": (
        "_target_: runner.x.X\n_about_: x\n_rules_: {}\n",
        "x.yaml has no _provides_; add `_provides_: [la",
    ),
    "a key without rule": (
        "defaults: [resnet18, _self_]\nwidth: 3\n",
        "x.yaml: 'width' has no rule; say in _rules_ what it may hold, like `width: int >= 1`",
    ),
    "a rule without key": (
        "defaults: [resnet18, _self_]\n_rules_: {dept: int}\n",
        "x.yaml: _rules_ speaks of 'dept', which has no value; add `dept: ...`; did you mean 'depth'?",
    ),
    "a rule that YAML takes for a number": (
        "defaults: [resnet18, _self_]\n_rules_: {width: 3}\nwidth: 3\n",
        "x.yaml: the rule of 'width' is no text; write it in quotes, `width: \"3\"`",
    ),
    "an unknown word": (
        "defaults: [resnet18, _self_]\n_rule_: {depth: int}\n",
        "x.yaml: nothing reads '_rule_'; did you mean '_rules_'?",
    ),
    "a word of another shape": (
        "defaults: [resnet18, _self_]\n_provides_: label\n",
        "x.yaml: _provides_ has to be a list, [a, b]",
    ),
    "no such base": (
        "defaults: [resnet81, _self_]\n",
        "x.yaml names 'model/resnet81' in its defaults, and there is no such fi",
    ),
    "no such choice": (
        "defaults: [gradient: tsll, _self_]\n",
        "x.yaml names 'model/gradient/tsll' in its defaults, and there",
    ),
    "itself": ("defaults: [x, _self_]\n", "x.yaml inherits from itself by way of "),
    "a base by its whole path": (
        "defaults: [/model/resnet18, _self_]\n",
        "x.yaml: write `- resnet18` in its defaults in place of `- /model/resnet18`",
    ),
    "defaults that are no list": (
        "defaults: resnet18\n",
        "x.yaml: defaults is no list of names; write `defaults: [other, ",
    ),
    "a key with the name of a choice": (
        "defaults: [resnet18, _self_]\n_rules_: {gradient: str}\ngradient: tssl\n",
        "x.yaml: 'gradient' is the name of a choice; write `defaults: [gradient: OPTION, _self_]`",
    ),
    "neutral nothing": (
        "defaults: [resnet18, _self_]\n_neutral_: {dept: 3}\n",
        "x.yaml: _neutral_ speaks of 'dept', which is no key of it; did you mean 'depth'?",
    ),
}


def test_a_default_task_has_to_be_offered(tmp_path):
    own = write(tmp_path, dataset__x="defaults: [rooms, _self_]\n_default_tasks_: [segmentatoin]\n")
    files.search([own])
    told = "x.yaml: _default_tasks_ names 'segmentatoin', which it does not offer; did you mean 'segmentation'?"
    assert told in files.faults("dataset")["x"]


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_named_with_what_is_missing_and_breaks_nothing_else(tmp_path, case):
    content, told = WRONG[case]
    own = write(tmp_path, model__x=content, model__good="defaults: [resnet34, _self_]\n_about_: sound\n")
    files.search([own])
    assert told in files.faults("model")["x"]
    assert files.faults("model")["x"].startswith(str(own / "model" / "x.yaml"))
    lines = usage.text().splitlines()
    (line,) = (line for line in lines if line.split()[:1] == ["x"])
    assert "cannot be used: " in line
    assert told in line
    assert any(line.split()[:1] == ["good"] and line.endswith(f"sound  ({own})") for line in lines)
    assert composed("method=ke", "model=good", config_dir=own).model["depth"] == 34
    assert "did you mean 'model.depth'" in refused("method=ke", "model.dept=34", config_dir=own)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_that_is_chosen_is_refused_in_words(tmp_path, case):
    content, told = WRONG[case]
    assert told in refused("method=ke", "model=x", config_dir=write(tmp_path, model__x=content))


@pytest.mark.parametrize("case", [case for case in WRONG if case != "itself"])  # over which Hydra itself would not get
def test_a_wrong_file_that_a_recipe_chooses_is_refused_in_words(tmp_path, case):
    content, told = WRONG[case]
    recipe = "# @package _global_\ndefaults:\n  - override /method: ke\n  - override /model: x\n"
    assert told in refused("experiment=mine", config_dir=write(tmp_path, model__x=content, experiment__mine=recipe))


def test_a_file_with_the_name_of_ours_is_refused_and_not_passed_over(tmp_path):
    own = write(tmp_path, model__resnet18="defaults: [resnet34, _self_]\n_about_: never read\n")
    told = refused("method=ke", config_dir=own)
    assert told.startswith("model=resnet18 cannot be used: ")
    assert told.endswith("resnet18.yaml; rename it")
    assert composed("method=ke", "model=resnet34", config_dir=own)


def test_an_option_from_where_its_rules_cannot_be_read_is_refused(tmp_path, monkeypatch):
    write(tmp_path / "a_package_with_options" / "conf", model__far="a: 1\n")
    for place in ("", "conf", "conf/model"):
        (tmp_path / "a_package_with_options" / place / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    told = refused("model=far", "hydra.searchpath=[pkg://a_package_with_options.conf]")
    assert told.startswith(f"model=far is in none of the folders {files.folder()}; name its folder by --config-dir")


def test_a_wrong_file_ends_the_command_with_2_and_help_with_0(tmp_path):
    own = write(tmp_path / "conf", method__x="_about_: no more\n", method__y="a: [\n")
    command = [sys.executable, "-W", "ignore", "-m", "runner", "--config-dir", str(own)]

    def call(*arguments):
        return subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True)

    done = call("method=x")
    assert done.returncode == 2
    assert "x.yaml has no _target_ and no _rules_; add " in done.stderr
    assert "Traceback" not in done.stderr
    assert call("method=y").returncode == 2
    shown = call("--help")
    assert shown.returncode == 0, shown.stderr
    assert f"{own}/method/x.yaml has no _target_ and no _rules_" in shown.stdout
    assert call("method=ke", "--cfg", "job").returncode == 0
