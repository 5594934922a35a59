from itertools import product
from typing import get_args

import pytest
import torch

from runner.errors import ConfigurationError
from runner.spiking import GradientRule, Layer, Neuron, cpu, neuron, reference, rules, triton
from runner.spiking.dynamics import Trace
from runner.spiking.rules import RULES, Walk, compiled, form_of
from runner.spiking.words import Gradient, Version

FORMS = [reference, cpu, triton]


def forged(gradient: str) -> Layer:
    """A layer whose neurons got past the refusal of an unknown rule."""
    neuron = Neuron(tau_m=5, tau_s=3)
    object.__setattr__(neuron, "gradient", gradient)
    return Layer(neuron=neuron)


def test_every_name_has_a_row():
    assert tuple(RULES) == get_args(Gradient)


@pytest.mark.parametrize("name", ["stbp", "TSSL", ""])
def test_a_rule_of_another_name_is_refused(name):
    with pytest.raises(ConfigurationError, match=f"gradient={name} is not allowed; use tssl or surrogate or no_intra"):
        GradientRule(name)


@pytest.mark.parametrize("form", FORMS)
def test_no_form_takes_an_unknown_rule_for_another(form):
    current = torch.ones(3, 4)
    with pytest.raises(
        ConfigurationError, match="gradient=stdp is not allowed; use tssl or surrogate or no_intra or stbp"
    ):
        form.backward(current, current, torch.tensor(True), forged("stdp"), None, False)


@pytest.mark.parametrize("form", [cpu, triton])
def test_no_compiled_form_says_that_it_knows_an_unknown_rule(form):
    with pytest.raises(ConfigurationError, match="gradient=stdp is not allowed"):
        form.takes(forged("stdp"))


def test_the_compiled_forms_are_told_apart_what_differs():
    told = {(name, version): tuple(compiled(Neuron(tau_m=5, tau_s=3, version=version, gradient=name)))
            for name, version in product(get_args(Gradient), (*get_args(Version), None))
            if version in RULES[name] and RULES[name][version].compiled}  # fmt: skip
    assert told == {
        ("tssl", "released"): (Walk.RELEASED, True),
        ("tssl", "published"): (Walk.PUBLISHED, True),
        ("no_intra", "released"): (Walk.RELEASED, False),
        ("no_intra", "published"): (Walk.PUBLISHED, False),
        ("surrogate", "released"): (Walk.SURROGATE, False),
        ("surrogate", "published"): (Walk.SURROGATE, False),
        ("stbp", None): (Walk.THROUGH_TIME, True),
    }


def test_stbp_is_compiled_on_the_cpu_alone():
    layer = Layer(neuron=Neuron(tau_m=5, tau_s=3, version=None, gradient="stbp"))
    assert cpu.takes(layer)
    assert not triton.takes(layer)


def test_a_rule_that_is_not_compiled_runs_in_plain_torch(monkeypatch):
    """A row of a formula alone, here of a gradient that is 2 wherever the current is."""
    constant = rules.Form(lambda states, error, neuron, firing, owed: torch.full_like(error, 2.0), of_spikes=True)
    monkeypatch.setitem(RULES, "no_intra", {"released": constant})
    layer = Layer(neuron=Neuron(tau_m=5, tau_s=3, gradient="no_intra"))
    assert not cpu.takes(layer)
    assert not triton.takes(layer)
    current = torch.ones(3, 4).requires_grad_()
    neuron.spiking_layer(current, layer).sum().backward()
    assert torch.equal(current.grad, torch.full((3, 4), 2.0))


def test_a_version_that_a_rule_has_not_is_refused(monkeypatch):
    monkeypatch.setitem(RULES, "no_intra", {"released": RULES["no_intra"]["released"]})
    assert form_of(Neuron(tau_m=5, tau_s=3, gradient="no_intra")) is RULES["no_intra"]["released"]
    with pytest.raises(
        ConfigurationError, match=r"version=published is not allowed with gradient=no_intra; use version=released"
    ):
        form_of(Neuron(tau_m=5, tau_s=3, gradient="no_intra", version="published"))


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [("tssl", "released", [True, False, True]), ("tssl", "published", False), ("surrogate", "released", None)],
)
def test_where_a_rule_gives_way_to_the_surrogate(name, version, expected):
    """Released: below 1 / (4 tau_s) = 1/12 of psc; published: at most a tenth of neurons and steps fire, here a third."""
    psc, spikes = torch.tensor([[0.08], [0.09], [0.0]]), torch.tensor([[0.0], [1.0], [0.0]])
    gives_way = form_of(Neuron(tau_m=5, tau_s=3, version=version, gradient=name)).gives_way
    found = None if gives_way is None else gives_way(Trace(psc, psc, spikes, psc), Neuron(tau_m=5, tau_s=3))
    assert (None if found is None else found.flatten().tolist() if found.dim() else bool(found)) == expected
