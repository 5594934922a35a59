"""The gradient rules of spiking neurons: a row each, with its formulas, what the compiled forms are told, when it gives way.

STBP's is in `stbp`, HM2-BP's in `counts`, ST-RSBP's in `trains`. TSSL-BP's are of Zhang and Li (NeurIPS 2020) in two versions
of the authors' code, functions/tsslbp.py in github.com/stonezwr/TSSL-BP: `released`, their last, and `published`, of the time of
publication. A form that is not compiled runs in plain torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import NamedTuple, Unpack

import torch
from torch import Tensor

from runner.errors import ConfigurationError, chosen
from runner.spiking.counts import gradient_of_counts
from runner.spiking.dynamics import Constants, Neuron, Trace, psc_filter
from runner.spiking.stbp import gradient_through_time
from runner.spiking.trains import gradient_of_recurrent_trains, gradient_of_trains
from runner.spiking.words import Gradient, Plain, Version, check

SURROGATE_WIDTH = 0.2  # of the logistic function whose derivative stands in for the spike's
LAYER_RATE = 0.1  # mean spikes per neuron and step above which the published version trusts a layer's spikes


@dataclass(frozen=True)
class GradientRule:
    """How a network's spiking neurons send gradients back, by a rule that has no settings.

    "tssl": TSSL-BP. "no_intra": TSSL-BP without what a spike does to its neuron's next one through the reset. "surrogate":
    every spike's derivative is a logistic one; credit goes back through the synapse alone, with neither leak nor reset of the
    membrane. "hm2bp", "strsbp": from train to train, see `counts` and `trains`. Raises `ConfigurationError` for any other name.
    """

    name: Plain

    def __post_init__(self) -> None:
        check("gradient", self.name, Plain)

    def neuron(self, **constants: Unpack[Constants]) -> Neuron:
        """A neuron whose gradients go back so."""
        return Neuron(**constants, gradient=self.name)


class Walk(IntEnum):
    """The ways back through time that are compiled, by their numbers in native/tsslbp.cpp and triton_kernels.py."""

    RELEASED = 0
    SURROGATE = 1
    PUBLISHED = 2
    THROUGH_TIME = 4  # plus the place of the slope's shape in `SHAPES`; not on a GPU


class Compiled(NamedTuple):
    """What the compiled forms are told: which way back to walk, and whether resets are walked through."""

    walk: Walk
    reset: bool


class Form(NamedTuple):
    """A rule in one version.

    `formula` makes dL/dI (T, ...) of the states, an error, whether the layer fires and what later stretches of time owe to
    this one: (2 or more, ...) numbers, zeros at the end of time, which it replaces by what this one owes to earlier ones.
    With `of_spikes` the error is dL/ds, which is dL/da filtered by the synapse backwards, so that spikes may be weighed before
    they are filtered; else it is dL/da. `gives_way` says at which neurons and steps the surrogate derivative takes the
    formula's place; None: it never does. A rule `of_trains` needs all of time at once. `recurrent` makes dL/dI and dL/d(weights)
    of a `recurrent_layer`'s states, dL/da, those weights and its neuron; None: the rule has none.
    """

    formula: Callable[[Trace, Tensor, Neuron, Tensor, Tensor], Tensor]
    of_spikes: bool
    compiled: Compiled | None = None
    gives_way: Callable[[Trace, Neuron], Tensor] | None = None
    of_trains: bool = False
    recurrent: Callable[[Trace, Tensor, Tensor, Neuron], tuple[Tensor, Tensor]] | None = None


Rule = Mapping[Version | None, Form]  # None alone where a rule has no versions


def form_of(neuron: Neuron) -> Form:
    """The form of a neuron's rule; raises `ConfigurationError` where there is none, so that no other takes its place."""
    rule = chosen("gradient", neuron.gradient, RULES)
    if neuron.version not in rule:
        versions = " or ".join(version or "null" for version in rule)
        raise ConfigurationError(
            f"version={neuron.version or 'null'} is not allowed with gradient={neuron.gradient}; use version={versions}"
        )
    return rule[neuron.version]


def compiled(neuron: Neuron) -> Compiled:
    """What the compiled forms are told of a neuron's rule."""
    told = form_of(neuron).compiled
    assert told is not None, "this rule runs in plain torch; see `takes`"
    return told


def surrogate(membrane: Tensor, threshold: float) -> Tensor:
    """sg(u) = z / ((1 + z)^2 0.2), z = exp(clamp((threshold - u) / 0.2, -8, 8)); 1.25 at the threshold."""
    z = ((threshold - membrane) / SURROGATE_WIDTH).clamp(-8, 8).exp()
    return z / ((1 + z) ** 2 * SURROGATE_WIDTH)


def hardly_active(states: Trace, neuron: Neuron) -> Tensor:
    """Where (T, ...) a neuron has too little psc for the released version to trust its spikes: below 1 / (4 tau_s)."""
    return states.psc < 0.25 / neuron.tau_s


def fires(count: Tensor, number: int) -> Tensor:
    """Whether (0-dim) `count` spikes of `number` neurons and steps are enough for the published version to trust them."""
    return count.double() > LAYER_RATE * number


def gradient_released(
    states: Trace, filtered: Tensor, neuron: Neuron, _firing: Tensor, owed: Tensor, *, intra: bool = True
) -> Tensor:
    """dL/dI (T, ...) from `filtered` = E, the filtered dL/da (which is dL/ds), by the authors' last code.

    A spike gets h = (E + theta u / tau_m) min(1 / du, 8), other steps theta faded by the leak, where theta is the h of the
    step after; where a neuron is `hardly_active`, E times the surrogate derivative takes their place. Without `intra` the
    term of theta u / tau_m is left out.
    """
    leak = 1.0 / neuron.tau_m
    reset = leak if intra else 0.0
    direct = -(-1 / states.change).clamp(-8, 0)
    theta = owed[0].clone()
    steps = []
    for t in reversed(range(len(filtered))):
        fired = direct[t] * (filtered[t] + theta * (states.membrane[t] * reset))
        theta = torch.where(states.spikes[t] > 0, fired, (1 - leak) * theta)
        steps.append(theta)
    owed[0] = theta
    fallback = filtered * surrogate(states.membrane, neuron.threshold)
    return torch.where(hardly_active(states, neuron), fallback, torch.stack(steps[::-1]))


def gradient_published(
    states: Trace, grad: Tensor, neuron: Neuron, firing: Tensor, owed: Tensor, *, intra: bool = True
) -> Tensor:
    """dL/dI (T, ...) from `grad` = dL/da, by the authors' code of the time of publication.

    r[m] = e[m] + u[m] / tau_m (1 - 1 / tau_m)^(p - m - 1) e[p] for a spike at m followed by one at p, else e[m]; filtered,
    it is multiplied by clamp(1 / du, -10, 10) at spikes if the layer is `firing`, else everywhere by the surrogate. Without
    `intra` r is e.
    """
    error = _through_resets(states, grad, neuron, owed[0]) if intra else grad
    filtered = psc_filter(error, neuron.tau_s, reverse=True, held=owed[1])
    direct = torch.where(states.spikes > 0, (1 / states.change).clamp(-10, 10), 0.0)
    return filtered * torch.where(firing, direct, surrogate(states.membrane, neuron.threshold))


def _through_resets(states: Trace, grad: Tensor, neuron: Neuron, owed: Tensor) -> Tensor:
    leak, later = 1.0 / neuron.tau_m, owed.clone()
    errors = []
    for t in reversed(range(len(grad))):
        spike = states.spikes[t]
        errors.append(grad[t] + spike * (states.membrane[t] * leak) * later)
        later = torch.where(spike > 0, grad[t], (1 - leak) * later)
    owed.copy_(later)
    return torch.stack(errors[::-1])


def gradient_surrogate(states: Trace, filtered: Tensor, neuron: Neuron, _firing: Tensor, _owed: Tensor) -> Tensor:
    """dL/dI (T, ...) from `filtered` = E, the filtered dL/da: E times the surrogate derivative."""
    return filtered * surrogate(states.membrane, neuron.threshold)


def _surrogate_of_currents(states: Trace, grad: Tensor, neuron: Neuron, firing: Tensor, owed: Tensor) -> Tensor:
    filtered = psc_filter(grad, neuron.tau_s, reverse=True, held=owed[1])
    return gradient_surrogate(states, filtered, neuron, firing, owed)


def _in_layers_that_hardly_fire(states: Trace, _neuron: Neuron) -> Tensor:
    return ~fires(states.spikes.sum(), states.spikes.numel())


def _tssl(*, intra: bool) -> Rule:
    released, published = partial(gradient_released, intra=intra), partial(gradient_published, intra=intra)
    return {
        "released": Form(released, True, Compiled(Walk.RELEASED, intra), hardly_active),
        "published": Form(published, False, Compiled(Walk.PUBLISHED, intra), _in_layers_that_hardly_fire),
    }


_ALIKE = Compiled(Walk.SURROGATE, reset=False)
RULES: Mapping[Gradient, Rule] = {
    "tssl": _tssl(intra=True),
    "surrogate": {
        "released": Form(gradient_surrogate, True, _ALIKE),
        "published": Form(_surrogate_of_currents, False, _ALIKE),
    },
    "no_intra": _tssl(intra=False),
    "stbp": {None: Form(gradient_through_time, True, Compiled(Walk.THROUGH_TIME, reset=True))},
    "hm2bp": {None: Form(gradient_of_counts, of_spikes=False, of_trains=True)},
    "strsbp": {
        None: Form(gradient_of_trains, of_spikes=False, of_trains=True, recurrent=gradient_of_recurrent_trains),
    },
}
