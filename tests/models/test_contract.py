"""What holds for every file in conf/model: it says what its network takes, and the network predicts and learns every task."""

import random
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from runner.configuration import files
from runner.configuration.construct import construct_model, locate
from runner.errors import ConfigurationError
from runner.layers.kinds import layers
from runner.layers.plain import plain
from runner.models import Gated, Heads, Parted
from runner.models.columns import Mixing
from tests.networks import node
from tests.signatures import assert_settings_fit

MODELS = files.options("model")
SHAPES = {"images": (3, 32, 32), "events": (5, 2, 32, 32)}  # (C, H, W), (T, C, H, W)
CASES = [(name, kind) for name in sorted(MODELS) for kind in SHAPES if kind in MODELS[name]["_provides_"]]
TASKS = {"first": 5, "second": 3}
BATCH = 2


class Case(NamedTuple):
    name: str
    provides: set[str]
    kind: str  # of inputs
    network: nn.Module  # as it was made from seed 0, for all tests, which leave it as it is

    def samples(self, count=BATCH, dtype=torch.float32):
        """Inputs of `count` samples and the axis along which they lie."""
        generator = torch.Generator().manual_seed(1)
        if self.kind == "images":
            return torch.rand(count, *SHAPES[self.kind], generator=generator).to(dtype), 0
        steps, *rest = SHAPES[self.kind]
        return (torch.rand(steps, count, *rest, generator=generator) < 0.2).to(dtype), 1

    def require_every_task(self, predictions, count):
        ranks = {rank for kind, rank in (("label", 2), ("dense", 4)) if kind in self.provides}
        assert list(predictions) == list(TASKS)
        for task, prediction in predictions.items():
            assert prediction.shape[:2] == (count, TASKS[task])
            assert prediction.dim() in ranks
            assert prediction.isfinite().all()


def made(name, kind, seed=0):
    """The network as the command makes it, in the small form that its file gives."""
    torch.manual_seed(seed)
    return construct_model({**node(name), **MODELS[name].get("_small_", {})}, TASKS, SHAPES[kind])


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request):
    name, kind = request.param
    provides = set(MODELS[name]["_provides_"])
    try:
        return Case(name, provides, kind, made(name, kind))
    except ConfigurationError as error:
        (other,) = set(SHAPES) - {kind}
        if other not in provides:
            raise
        made(name, other)  # of two kinds of inputs it may refuse one, as it is configured
        pytest.skip(str(error))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_file_holds_what_the_network_takes(name):
    content = MODELS[name]
    assert_settings_fit(content, locate(content["_target_"]), given={"tasks", "input_shape"}, elsewhere={"weights"})
    assert (content["weights"], content["_neutral_"]["weights"]) == (None, None)
    assert content["_rules_"]["weights"] == "null | file"
    assert {"label", "dense"} & set(content["_provides_"])
    assert {*SHAPES, "own_texts"} & set(content["_provides_"])


@pytest.mark.parametrize("part", files.parts("model"))
def test_the_options_of_a_choice_inside_hold_together_what_it_takes(part):
    """Options that are made by one class share its words between them."""
    options = list(files.options(f"model/{part}").values())
    for option in options:
        alike = [other for other in options if other["_target_"] == option["_target_"]]
        rules = {key: " | ".join(dict.fromkeys(other["_rules_"][key] for other in alike)) for key in option["_rules_"]}
        assert_settings_fit({**option, "_rules_": rules}, locate(option["_target_"]), given=set())


def test_every_task_is_predicted_for_every_sample(case):
    inputs, axis = case.samples()
    assert inputs.shape[axis] == BATCH
    with torch.no_grad():
        case.require_every_task(case.network.eval()(inputs), BATCH)


def test_one_sample_and_channels_that_lie_innermost_are_taken(case):
    inputs, _ = case.samples(count=1)
    if case.kind == "images":
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        case.require_every_task(case.network.eval()(inputs), 1)


def test_predictions_depend_on_the_sample_alone(case):
    """In float64: the same again, the same alone as beside others, the same wherever in memory the channels lie."""
    network, (inputs, axis) = deepcopy(case.network).double().eval(), case.samples(dtype=torch.float64)
    turned = inputs.contiguous(memory_format=torch.channels_last) if case.kind == "images" else inputs
    with torch.no_grad():
        first, again, last, alone = (network(x) for x in (inputs, inputs, turned, inputs.narrow(axis, 0, 1)))
    case.require_every_task(alone, 1)
    for task, prediction in first.items():
        assert torch.equal(again[task], prediction)
        torch.testing.assert_close(last[task], prediction, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(alone[task], prediction[:1], rtol=1e-9, atol=1e-12)


def test_every_weight_that_can_learn_gets_a_gradient(case):
    network = deepcopy(case.network).train()
    if "local" in case.provides:  # learns by rules of its own
        assert not any(weight.requires_grad for weight in network.parameters())
        return
    predictions = network(case.samples()[0])
    sum((prediction + 1).square().sum() for prediction in predictions.values()).backward()
    gradients = {key: weight.grad for key, weight in network.named_parameters() if weight.requires_grad}
    assert not [key for key, gradient in gradients.items() if gradient is None]
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    assert any(gradient.any() for gradient in gradients.values())


def test_weights_are_drawn_from_the_global_generator_of_torch_alone(case):
    random.seed(7)
    np.random.seed(7)
    again, other = made(case.name, case.kind), made(case.name, case.kind, seed=1)
    given = {weight for unit in case.network.modules() if isinstance(unit, Mixing) for weight in unit.parameters()}
    for key, weight in case.network.named_parameters():
        assert torch.equal(again.get_parameter(key), weight), key
        if weight.dim() > 1 and weight not in given:
            assert not torch.equal(other.get_parameter(key), weight), key


def test_what_it_provides_is_what_it_is(case):
    network = case.network
    assert ("blocks" in case.provides) == isinstance(network, Gated)
    assert bool(layers(network)) or "layers" not in case.provides
    for heads in (module for module in network.modules() if isinstance(module, Heads)):
        assert list(heads) == list(TASKS)
    if isinstance(network, Parted):
        backbone, heads = network.backbone_parameters(), network.head_parameters()
        assert backbone
        assert heads
        assert len({*backbone, *heads}) == len(backbone) + len(heads)
        assert {*backbone, *heads} <= set(network.parameters())
        assert all(term.dim() == 0 and term.isfinite() for term in network.penalty().values())


@pytest.mark.parametrize(
    "name", [name for name in sorted(MODELS) if {"dense", "blocks"} & set(MODELS[name]["_provides_"]) == {"dense"}]
)
def test_a_trained_network_of_several_tasks_is_taken_home_as_plain_layers(name):
    """Exports hold torch's own layers, which answer as the network does; gated ones are compiled, see test_compiled.py."""
    network = made(name, "images").double()
    images = torch.rand(BATCH, *SHAPES["images"], dtype=torch.float64)
    network.train()(images)
    with torch.no_grad():
        expected, found = network.eval()(images), plain(network)(images)
    for task, prediction in expected.items():
        torch.testing.assert_close(found[task], prediction, rtol=1e-9, atol=1e-12)
