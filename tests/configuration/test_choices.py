"""A part of a method or a model that is chosen beside it: one level deep, by name, with keys and rules of its own."""

import pytest

from runner.configuration import files
from runner.configuration.arguments import read
from tests.compose import composed, refused
from tests.configuration.own import write


def gradient(settings):
    return settings.choices["model/gradient"], settings.model["gradient"]["name"]


def test_a_choice_is_made_by_its_name():
    assert gradient(composed("method=tsslbp")) == ("tssl", "tssl")
    for typed in ("model.gradient=surrogate", "model/gradient=surrogate", "++model.gradient=surrogate"):
        assert gradient(composed("method=tsslbp", typed)) == ("surrogate", "surrogate")
    assert gradient(composed("method=tsslbp", "model=snn_fashion", "model.gradient=no_intra")) == (
        "no_intra",
        "no_intra",
    )
    for typed in ("method.policy=gumbel", "method/policy=gumbel"):
        assert composed(typed).choices["method/policy"] == "gumbel"


def test_its_keys_are_set_by_a_second_dot():
    settings = composed("method.policy.sparsity=official", "method.policy.temperature=3")
    assert settings.method["policy"]["sparsity"] == "official"
    assert settings.method["policy"]["temperature"] == 3.0
    assert type(settings.method["policy"]["temperature"]) is float  # as its rule has it
    assert composed("method.policy={temperature: 2}").method["policy"]["temperature"] == 2.0


REFUSED = [
    ("method.policy.temperature=0", "method.policy.temperature=0 is not allowed; use float > 0"),
    ("method.policy.sparsity=offical", "method.policy.sparsity=offical is not allowed; use paper or official or"),
    ("method.policy.sparsity=offical", "did you mean 'official'?"),
    ("method.policy.temprature=1", "unknown key 'method.policy.temprature'; did you mean 'method.policy.temperature'?"),
    ("+method.policy.unknown=1", "unknown key 'method.policy.unknown'"),
    (
        "method.policy={temprature: 1}",
        "unknown key 'method.policy.temprature'; did you mean 'method.policy.temperature'?",
    ),
    (
        "method.policy=gumbl",
        "method.policy=gumbl does not exist; choose method.policy=gumbel|instance|random|",
    ),
    ("method.policy=gumbl", "did you mean 'gumbel'?"),
    ("~method.policy", "method.policy is missing; choose method.policy=gumbel|"),
    ("~method/policy", "method.policy is missing; choose method.policy=gumbel|"),
    ("~method.policy.temperature", "method.policy.temperature is missing; it cannot be deleted"),
    ("method=ke method.policy=gumbel", "method.policy is not a key here; it belongs to method=adashare"),
    (
        "method=ke method.policy.sparsity=paper",
        "method.policy.sparsity is not a key here; it belongs to method.policy=gumbel",
    ),
    (
        "method=ke model.gradient=tssl",
        "model.gradient is not a key here; it belongs to model=snn_cifar, model=snn_cifarnet",
    ),
    (
        "method=tsslbp model.gradient=surogate",
        "choose model.gradient=hm2bp|no_intra|stbp|strsbp|surrogate|tssl; did you mean 'surrogate'?",
    ),
    ("method=tsslbp model.gradient.name=surrogate", "model.gradient.name=surrogate is not allowed; use tssl"),
]


@pytest.mark.parametrize(("overrides", "told"), REFUSED)
def test_what_is_wrong_is_said_with_the_full_name(overrides, told):
    typed = [overrides] if "{" in overrides else overrides.split()
    assert told in refused(*typed)


MINE = """
defaults:
  - tsslbp
  - _self_
  - override /model/gradient@_global_.model.gradient: surrogate
_about_: a method that begins with another gradient rule
"""


def test_a_method_may_choose_a_part_of_the_model_beforehand(tmp_path):
    own = write(tmp_path, method__mine=MINE)
    assert gradient(composed("method=mine", config_dir=own)) == ("surrogate", "surrogate")
    assert gradient(composed("method=mine", "model=snn_fashion", config_dir=own)) == ("surrogate", "surrogate")
    assert gradient(composed("method=mine", "model.gradient=tssl", config_dir=own)) == ("tssl", "tssl")
    told = refused("method=mine", "model=resnet18", config_dir=own)
    assert told.startswith(
        "method=mine chooses a model.gradient, which the model that was chosen has not; choose model=snn_cif"
    )
    assert "resnet" not in told


def test_stbp_chooses_its_gradient_which_has_no_version():
    for typed in (["method=stbp"], ["method=stbp", "model=snn_fashion"], ["experiment=stbp/fashion_mlp"]):
        settings = composed(*typed)
        assert settings.choices["model/gradient"] == "stbp"
        assert settings.model["version"] is None
    assert composed("method=stbp", "model.gradient=tssl").model["version"] == "released"
    assert composed("method=stbp", "model.gradient.shape=arctan").model["gradient"]["shape"] == "arctan"


def test_an_option_of_ones_own_for_a_choice_of_ours(tmp_path):
    triangle = "defaults: [tssl, _self_]\n_about_: a triangle\n_rules_: {width: float > 0}\nwidth: 1\n"
    own = write(tmp_path, model__gradient__triangle=triangle)
    settings = composed("method=tsslbp", "model.gradient=triangle", "model.gradient.width=0.5", config_dir=own)
    assert settings.model["gradient"]["width"] == 0.5
    told = refused("method=tsslbp", "model.gradient.width=0.5", config_dir=own)
    assert told == "model.gradient.width is not a key here; it belongs to model.gradient=stbp, model.gradient=triangle"


def test_a_choice_of_ones_own_inside_ones_own_option(tmp_path):
    head = "_target_: runner.x.Head\n_about_: {about}\n_rules_: {{width: int >= 1}}\nwidth: {width}\n"
    own = write(
        tmp_path,
        model__mine="defaults: [resnet18, neck: thin, _self_]\n_about_: with a neck\n",
        model__neck__thin=head.format(about="thin", width=1),
        model__neck__broad=head.format(about="broad", width=9),
    )
    assert composed("method=ke", "model=mine", config_dir=own).model["neck"]["width"] == 1
    assert composed("method=ke", "model=mine", "model.neck=broad", config_dir=own).model["neck"]["width"] == 9
    assert "belongs to model=mine" in refused("method=ke", "model.neck=broad", config_dir=own)


def test_a_name_in_the_place_of_a_part_is_refused_in_a_file(tmp_path):
    recipe = "# @package _global_\ndefaults:\n  - override /method: tsslbp\nmodel:\n  gradient: surrogate\n"
    told = refused("experiment=mine", config_dir=write(tmp_path, experiment__mine=recipe))
    assert told == (
        "model.gradient=surrogate is not allowed; choose model.gradient=hm2bp|no_intra|stbp|strsbp|surrogate|tssl on the "
        "command line, or `override /model/gradient: OPTION` in the `defaults` of a file"
    )
    right = "# @package _global_\ndefaults:\n  - override /method: tsslbp\n  - override /model/gradient: surrogate\n"
    assert gradient(composed("experiment=right", config_dir=write(tmp_path, experiment__right=right)))[0] == "surrogate"


def test_sweeps_and_help_know_choices():
    assert read(["-m", "model.gradient=tssl,surrogate"]).for_hydra() == ["--multirun", "model/gradient=tssl,surrogate"]
    assert files.parts("method") == ("policy",)
    assert files.parts("model") == ("backbone", "gradient")
