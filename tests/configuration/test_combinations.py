"""What methods, data sets and models ask of each other; nothing impossible gets past the check."""

from itertools import product

import pytest

from runner.configuration import files
from runner.configuration.combinations import choose_tasks, require_fitting
from runner.errors import ConfigurationError
from tests.compose import composed, refused
from tests.configuration.own import write

NETWORKS = "alexnet|ann_cifar|ann_fashion|ann_mlp|ann_mnist|"
NETWORKS += "densenet121|densenet169|googlenet|mobilenet_v2|resnet101|resnet18|resnet34|resnet50|vgg11_bn"
REFUSED = [
    (
        "method=ke model=snn_mnist",
        f"method=ke needs a model that is not spiking, as model=snn_mnist is; choose model={NETWORKS}",
    ),
    (
        "method=slim_scratch model=snn_mnist",
        "method=slim_scratch needs a model that is not spiking, as model=snn_mnist is",
    ),
    (
        "method=repr model=snn_mnist",
        "method=repr needs a model that is not spiking, as model=snn_mnist is; choose model=",
    ),
    (
        "method=ke dataset=nyu",
        "method=ke needs a dataset with a label task; "
        "choose dataset=aircraft|cars196|cifar10|cifar100|cub200|dogs|fashion_mnist|flowers102|image_folder|mit67|mnist|rooms",
    ),
    (
        "method=tsslbp dataset=nyu",
        "method=tsslbp needs a dataset with a label task; choose dataset=aircraft|cars196|cifar10|cifar100|cub200",
    ),
    ("method=tsslbp dataset=nyu", "|nmnist|rooms|saccades"),
    ("method=adashare model=resnet18", "method=adashare needs a model with blocks, which model=resnet18 has not"),
    ("method=adashare model=resnet18 dataset=nmnist", "choose model=(none yet)"),
    (
        "method=ke dataset=nmnist",
        "method=ke cannot learn any task of dataset=nmnist, which has class (label); choose method=",
    ),
    (
        "method=cross_entropy model=snn_mnist method.slim_rate=0.5",
        f"method.slim_rate=0.5 needs a model that is not spiking, as model=snn_mnist is; choose model={NETWORKS}",
    ),
    (
        "method=hard_sharing dataset=mnist model=snn_mnist method.backbone_learning_rate=0.1",
        "method.backbone_learning_rate=0.1 needs a model with parts, which model=snn_mnist has not",
    ),
]


@pytest.mark.parametrize(("overrides", "told"), REFUSED)
def test_what_is_missing_is_said_with_what_has_it(overrides, told):
    assert told in refused(*overrides.split())


@pytest.mark.parametrize("method", ["ban", "cross_entropy", "dsd", "lottery"])
def test_methods_that_take_spiking_networks_compose_with_them(method):
    assert composed(f"method={method}", "model=slayer_mnist").choices["model"] == "slayer_mnist"


def test_what_is_asked_only_of_a_key_that_is_given():
    assert composed("method=cross_entropy", "model=snn_mnist").choices["model"] == "snn_mnist"
    assert composed("method=hard_sharing", "dataset=mnist", "model=resnet18").method["backbone_learning_rate"] is None
    assert composed("method=hard_sharing", "method.backbone_learning_rate=0.1")


@pytest.mark.slow
def test_every_combination_is_one_that_goes_together_or_refused():
    """By the words of the files alone, as counted here once more."""
    options = {group: files.options(group) for group in files.GROUPS}
    possible, combinations = 0, list(product(*(options[group] for group in files.GROUPS)))
    for method, dataset, model in combinations:
        choices = {"method": method, "dataset": dataset, "model": model}
        root = {group: {**options[group][name]} for group, name in choices.items()} | {"choices": choices}
        asked = root["method"].get("_requires_", [])
        words, kinds = (asked, []) if isinstance(asked, list) else (asked.get("model", []), asked.get("dataset", []))
        provided, offered = set(root["model"]["_provides_"]), set(root["dataset"]["_offers_"].values())
        wanted = {word for word in words if not word.startswith("not ")} | {root["dataset"]["_input_"]}
        fits = wanted <= provided and set(kinds) <= offered and bool(offered & provided)
        fits = fits and not provided & {word.removeprefix("not ") for word in words if word.startswith("not ")}
        told = _refusal(root)
        assert (told is None) == fits, (choices, told)
        assert told is None or "; choose " in told
        possible += fits
    # dense and label sets, images and events, models for one method alone: most cross a line
    assert 0.15 < possible / len(combinations) < 0.4


def _refusal(root):
    try:
        require_fitting(root)
        choose_tasks(root)
    except ConfigurationError as error:
        return str(error)
    return None


def test_no_hint_leads_to_another_refusal():
    """Every model and data set that a message names goes with the rest of what was asked."""
    for asked, group in (("method=ke model=snn_mnist", "model"), ("method=ke dataset=nyu", "dataset")):
        told = refused(*asked.split())
        for name in told.rpartition(f"{group}=")[2].split("|"):
            assert composed(*[text for text in asked.split() if not text.startswith(group)], f"{group}={name}")


def test_a_choice_inside_an_option_may_ask_and_provide_too(tmp_path):
    part = "_target_: runner.x.X\n_about_: x\n_rules_: {}\n"
    own = write(
        tmp_path,
        method__mine="defaults: [hard_sharing, order: plain, _self_]\n_about_: mine\n",
        method__order__plain=part,
        method__order__pairs=part + "_requires_: {model: [label], dataset: [label]}\n",
        model__both="defaults: [resnet18, end: labels, _self_]\n_about_: either\n_provides_: [images]\n",
        model__end__labels=part + "_provides_: [label]\n",
        model__end__maps=part + "_provides_: [dense]\n",
    )
    assert composed("method=mine", "model=both", config_dir=own).dataset["tasks"] == ["scene"]
    assert "depth" in composed("method=mine", "model=both", "model.end=maps", config_dir=own).dataset["tasks"]
    assert composed("method=mine", "model=both", "method.order=pairs", config_dir=own)
    told = refused("method=mine", "model=both", "model.end=maps", "method.order=pairs", config_dir=own)
    assert told.startswith("method=mine needs a model with label, which model=both has not; choose model=")
    told = refused("method=mine", "model=both", "dataset=nyu", "method.order=pairs", config_dir=own)
    assert told.startswith("method=mine needs a dataset with a label task; choose dataset=aircraft|")


def test_data_that_a_method_cannot_learn_come_with_methods_that_can():
    assert refused("dataset=cub200", "dataset.root=birds") == (
        "model=deeplab_small cannot learn any task of dataset=cub200, which has class (label); choose "
        "model=gated_resnet18|gated_resnet34"
    )
    networks = NETWORKS.replace("|googlenet", "|gated_resnet18|gated_resnet34|googlenet").removesuffix("|vgg11_bn")
    assert refused("method=single_task", "dataset=cub200") == (
        "model=deeplab_small cannot learn any task of dataset=cub200, which has class (label); choose "
        f"model={networks}|slayer_mnist|slayer_nmnist|snn_cifar|snn_cifarnet|snn_fashion|snn_mlp|snn_mnist|snn_nmnist|vgg11_bn"
    )


def test_tasks_with_inputs_of_their_own_need_networks_that_take_them():
    assert refused("method=hard_sharing", "dataset=domainnet", "model=resnet18") == (
        "dataset=domainnet needs a model with images of each task's own, which model=resnet18 has not; choose "
        "model=gated_resnet18|gated_resnet34"
    )
    assert refused("method=ke", "dataset=domainnet").endswith("; choose method=adashare|hard_sharing|single_task")
    assert refused("method=ke", "model=gated_resnet18", "dataset=cifar10").startswith(
        "method=ke needs a model that is not gated, as model=gated_resnet18 is; choose model=alexnet|ann_cifar|"
    )
    assert composed("dataset=domainnet", "model=gated_resnet18").dataset["tasks"][0] == "real"
