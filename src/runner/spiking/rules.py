"""The gradient rules of TSSL-BP's neurons: a row each, with its formulas and what the compiled forms are told of it.

Zhang and Li (NeurIPS 2020) in two versions of the authors' code, functions/tsslbp.py in github.com/stonezwr/TSSL-BP:
`released`, their last, and `published`, of the time of publication. A rule that is not compiled runs in plain torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from runner.errors import chosen
from runner.spiking.dynamics import Neuron, Trace, psc_filter
from runner.spiking.words import Gradient, Version, check

SURROGATE_WIDTH = 0.2  # of the logistic function whose derivative stands in for the spike's
LAYER_RATE = 0.1  # mean spikes per neuron and step above which the published version trusts a layer's spikes


@dataclass(frozen=True)
class GradientRule:
    """How a network's spiking neurons send gradients back.

    "tssl": TSSL-BP. "no_intra": TSSL-BP without what a spike does to its neuron's next one through the reset. "surrogate":
    every spike's derivative is a logistic one, and nothing depends on a neuron's own spikes. Raises `ConfigurationError`
    for any other name.
    """

    name: Gradient

    def __post_init__(self) -> None:
        check("gradient", self.name, Gradient)


class Walk(IntEnum):
    """The ways back through time that are compiled, by their numbers in native/tsslbp.cpp and triton_kernels.py."""

    RELEASED = 0
    SURROGATE = 1
    PUBLISHED = 2


class Compiled(NamedTuple):
    """What the compiled forms are told of a rule."""

    walk: Mapping[Version, Walk]
    reset: bool  # whether the dependency through a neuron's own reset is kept


class Rule(NamedTuple):
    """A rule as formulas for dL/dI (T, ...) and, where it is compiled, as what the compiled forms are told."""

    released: Callable[[Trace, Tensor, Neuron], Tensor]  # of the filtered dL/da, which is dL/ds
    published: Callable[[Trace, Tensor, Neuron, Tensor], Tensor]  # of dL/da, and of whether the layer fires
    compiled: Compiled | None


def rule_of(neuron: Neuron) -> Rule:
    """The row of a neuron's rule; raises `ConfigurationError` where there is none, so that no other takes its place."""
    return chosen("gradient", neuron.gradient, RULES)


def compiled(neuron: Neuron) -> tuple[Walk, bool]:
    """What the compiled forms are told of a neuron's rule: which way back to walk, and whether resets are walked through."""
    rule = rule_of(neuron)
    assert rule.compiled is not None, "this rule runs in plain torch; see `takes`"
    return rule.compiled.walk[neuron.version], rule.compiled.reset


def surrogate(membrane: Tensor, threshold: float) -> Tensor:
    """sg(u) = z / ((1 + z)^2 0.2), z = exp(clamp((threshold - u) / 0.2, -8, 8)); 1.25 at the threshold."""
    z = ((threshold - membrane) / SURROGATE_WIDTH).clamp(-8, 8).exp()
    return z / ((1 + z) ** 2 * SURROGATE_WIDTH)


def gradient_released(states: Trace, filtered: Tensor, neuron: Neuron, *, intra: bool = True) -> Tensor:
    """dL/dI (T, ...) from `filtered` = E, the filtered dL/da (which is dL/ds), by the authors' last code.

    A spike gets h = (E + theta u / tau_m) min(1 / du, 8), other steps theta faded by the leak, where theta is the h of the
    step after; while a neuron's psc is below 1 / (4 tau_s), E times the surrogate derivative takes their place. Without
    `intra` the term of theta u / tau_m is left out.
    """
    leak = 1.0 / neuron.tau_m
    reset = leak if intra else 0.0
    direct = -(-1 / states.change).clamp(-8, 0)
    theta = torch.zeros_like(filtered[0])
    steps = []
    for t in reversed(range(len(filtered))):
        fired = direct[t] * (filtered[t] + theta * (states.membrane[t] * reset))
        theta = torch.where(states.spikes[t] > 0, fired, (1 - leak) * theta)
        steps.append(theta)
    fallback = gradient_surrogate(states, filtered, neuron)
    return torch.where(states.psc < 0.25 / neuron.tau_s, fallback, torch.stack(steps[::-1]))


def gradient_published(states: Trace, grad: Tensor, neuron: Neuron, firing: Tensor, *, intra: bool = True) -> Tensor:
    """dL/dI (T, ...) from `grad` = dL/da, by the authors' code of the time of publication.

    r[m] = e[m] + u[m] / tau_m (1 - 1 / tau_m)^(p - m - 1) e[p] for a spike at m followed by one at p, else e[m]; filtered,
    it is multiplied by clamp(1 / du, -10, 10) at spikes if the layer is `firing`, else everywhere by the surrogate. Without
    `intra` r is e.
    """
    filtered = psc_filter(_through_resets(states, grad, neuron) if intra else grad, neuron.tau_s, reverse=True)
    direct = torch.where(states.spikes > 0, (1 / states.change).clamp(-10, 10), 0.0)
    return filtered * torch.where(firing, direct, surrogate(states.membrane, neuron.threshold))


def _through_resets(states: Trace, grad: Tensor, neuron: Neuron) -> Tensor:
    leak = 1.0 / neuron.tau_m
    later = torch.zeros_like(grad[0])
    errors = []
    for t in reversed(range(len(grad))):
        spike = states.spikes[t]
        errors.append(grad[t] + spike * (states.membrane[t] * leak) * later)
        later = torch.where(spike > 0, grad[t], (1 - leak) * later)
    return torch.stack(errors[::-1])


def gradient_surrogate(states: Trace, filtered: Tensor, neuron: Neuron) -> Tensor:
    """dL/dI (T, ...) from `filtered` = E, the filtered dL/da: E times the surrogate derivative."""
    return filtered * surrogate(states.membrane, neuron.threshold)


def _surrogate_published(states: Trace, grad: Tensor, neuron: Neuron, _firing: Tensor) -> Tensor:
    return gradient_surrogate(states, psc_filter(grad, neuron.tau_s, reverse=True), neuron)


_TSSL: Mapping[Version, Walk] = {"released": Walk.RELEASED, "published": Walk.PUBLISHED}
_SURROGATE: Mapping[Version, Walk] = {"released": Walk.SURROGATE, "published": Walk.SURROGATE}
RULES: Mapping[Gradient, Rule] = {
    "tssl": Rule(gradient_released, gradient_published, Compiled(_TSSL, reset=True)),
    "surrogate": Rule(gradient_surrogate, _surrogate_published, Compiled(_SURROGATE, reset=False)),
    "no_intra": Rule(
        partial(gradient_released, intra=False),
        partial(gradient_published, intra=False),
        Compiled(_TSSL, reset=False),
    ),
}
