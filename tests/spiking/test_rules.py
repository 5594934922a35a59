from itertools import product
from typing import get_args

import pytest
import torch

from runner.errors import ConfigurationError
from runner.spiking import GradientRule, Layer, Neuron, cpu, neuron, reference, rules, triton
from runner.spiking.rules import RULES, Walk, compiled
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
    with pytest.raises(ConfigurationError, match="gradient=stbp is not allowed; use tssl or surrogate or no_intra"):
        form.backward(current, current, torch.tensor(True), forged("stbp"), None, False)


@pytest.mark.parametrize("form", [cpu, triton])
def test_no_compiled_form_says_that_it_knows_an_unknown_rule(form):
    with pytest.raises(ConfigurationError, match="gradient=stbp is not allowed"):
        form.takes(forged("stbp"))


def test_the_compiled_forms_are_told_apart_what_differs():
    told = {(name, version): compiled(Neuron(tau_m=5, tau_s=3, version=version, gradient=name))
            for name, version in product(get_args(Gradient), get_args(Version))}  # fmt: skip
    assert told == {
        ("tssl", "released"): (Walk.RELEASED, True),
        ("tssl", "published"): (Walk.PUBLISHED, True),
        ("no_intra", "released"): (Walk.RELEASED, False),
        ("no_intra", "published"): (Walk.PUBLISHED, False),
        ("surrogate", "released"): (Walk.SURROGATE, False),
        ("surrogate", "published"): (Walk.SURROGATE, False),
    }


def test_a_rule_that_is_not_compiled_runs_in_plain_torch(monkeypatch):
    """A row of formulas alone, here of a gradient that is 2 wherever the current is."""
    constant = rules.Rule(
        lambda states, filtered, neuron: torch.full_like(filtered, 2.0), RULES["tssl"].published, None
    )
    monkeypatch.setitem(RULES, "no_intra", constant)
    layer = Layer(neuron=Neuron(tau_m=5, tau_s=3, gradient="no_intra"))
    assert not cpu.takes(layer)
    assert not triton.takes(layer)
    current = torch.ones(3, 4).requires_grad_()
    neuron.spiking_layer(current, layer).sum().backward()
    assert torch.equal(current.grad, torch.full((3, 4), 2.0))
