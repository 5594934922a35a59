"""TSSL-BP's spiking neuron in plain torch: the reference that the compiled versions are tested against.

Zhang and Li, "Temporal Spike Sequence Learning via Backpropagation for Deep Spiking Neural Networks", NeurIPS 2020, with
the two versions of the authors' code: `paper` (as published) and `head` (their last). Time is the first dimension; every
function walks it once, so that the cost is linear in the number of steps T.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from runner.errors import ConfigurationError

VERSIONS = ("head", "paper")
GRADIENTS = ("tssl", "surrogate", "no_intra")
POOL_WEIGHT = 1.1  # of every element of a sum pooling, in the authors' code
SURROGATE_WIDTH = 0.2  # of the logistic function whose derivative stands in for the spike's
LAYER_RATE = 0.1  # mean spikes per neuron and step above which the published version trusts a layer's spikes


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """Constants of a leaky integrate-and-fire neuron with a first-order synapse, and the rule of its gradient.

    `tau_m` and `tau_s` are the time constants of membrane and synapse in steps. `gradient` is "tssl", "surrogate" (every
    spike's derivative replaced by a logistic one; no dependency through the neuron's own spikes) or "no_intra" (TSSL-BP
    without what a spike does to the neuron's next one through the reset).
    """

    tau_m: float
    tau_s: float
    threshold: float = 1.0
    version: str = "head"
    gradient: str = "tssl"

    def __post_init__(self) -> None:
        for name, smallest in (("tau_m", 1.0), ("tau_s", 1.0)):
            if not getattr(self, name) >= smallest:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be at least {smallest:g} step")
        if not self.threshold > 0:
            raise ConfigurationError(f"threshold={self.threshold} must be above the resting potential 0")
        for name, allowed in (("version", VERSIONS), ("gradient", GRADIENTS)):
            if getattr(self, name) not in allowed:
                raise ConfigurationError(f"{name}={getattr(self, name)!r} is none of {', '.join(allowed)}")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer of neurons with what comes before and after it up to the next weights; see `spiking.spiking_layer`."""

    neuron: Neuron
    steps: int | None = None  # the current is constant over so many steps, and has yet to pass the synapse
    pool: int = 1  # windows that are summed
    synapse: bool = False  # the current is a weighted sum of spikes, which has yet to pass the synapse
    spikes: bool = False  # give spikes instead of postsynaptic currents


class Trace(NamedTuple):
    """States of neurons over time, each (T, ...)."""

    membrane: Tensor  # u before the reset
    change: Tensor  # du
    spikes: Tensor  # 0 or 1
    psc: Tensor  # a, the postsynaptic current: spikes filtered by the synapse


def forward(current: Tensor, layer: Layer, scale: Tensor | None) -> tuple[Tensor, Tensor]:
    """What the layer gives, and whether it fires (0-dim bool); arguments as in `spiking.spiking_layer`."""
    states = trace(over_time(current, layer), layer.neuron)
    result = states.spikes if layer.spikes else states.psc
    result = result if layer.pool == 1 else sum_pool(result, layer.pool)
    return (result if scale is None else result * scale).to(current.dtype), states.spikes.float().mean() > LAYER_RATE


def backward(
    grad: Tensor, current: Tensor, firing: Tensor, layer: Layer, scale: Tensor | None, consume: bool = False
) -> Tensor:
    """dL/d(current) from `grad` = dL/d(what `forward` gave) and what it was given and said; never in place."""
    neuron = layer.neuron
    states = trace(over_time(current, layer), neuron)
    error = grad.to(states.psc.dtype)
    if scale is not None:
        error = error * scale
    if layer.pool > 1:
        error = error.repeat_interleave(layer.pool, -1).repeat_interleave(layer.pool, -2) * POOL_WEIGHT
    if neuron.version == "head":
        filtered = error if layer.spikes else psc_filter(error, neuron.tau_s, reverse=True)
        result = gradient_head(states, filtered, neuron)
    else:
        assert not layer.spikes
        result = gradient_paper(states, error, neuron, firing)
    if layer.synapse:
        result = psc_filter(result, neuron.tau_s, reverse=True)
    if layer.steps is not None:
        result = (_factors(result, neuron, layer.steps) * result).sum(0)
    return result.to(current.dtype)


def over_time(current: Tensor, layer: Layer) -> Tensor:
    """The neurons' currents (T, ...), in float32 at least, from what a layer takes."""
    current = current.to(torch.promote_types(current.dtype, torch.float32))
    if layer.synapse:
        return psc_filter(current, layer.neuron.tau_s)
    return current if layer.steps is None else _factors(current.unsqueeze(0), layer.neuron, layer.steps) * current


def _factors(like: Tensor, neuron: Neuron, steps: int) -> Tensor:
    return like.new_tensor(drive(steps, neuron.tau_s)).view(-1, *[1] * (like.dim() - 1))


def drive(steps: int, tau_s: float) -> list[float]:
    """What the synapse makes of a constant 1 switched on at step 0: c_t = 1 - (1 - 1 / tau_s)^(t + 1)."""
    return [1.0 - (1.0 - 1.0 / tau_s) ** (t + 1) for t in range(steps)]


def trace(current: Tensor, neuron: Neuron) -> Trace:
    """Run neurons on their input currents (T, ...).

    du[t] = -u+[t-1] / tau_m + I[t];  u = u+[t-1] + du;  s = 1 if u > threshold;  u+ = u (1 - s);
    a[t] = a[t-1] + (s - a[t-1]) / tau_s, everything 0 before the first step.
    """
    leak, rate = 1.0 / neuron.tau_m, 1.0 / neuron.tau_s
    rest = psc = torch.zeros_like(current[0])
    states: list[Trace] = []
    for step in current:
        change = rest * -leak + step
        membrane = rest + change
        spikes = (membrane > neuron.threshold).to(current.dtype)
        rest = membrane * (1 - spikes)
        psc = psc + (spikes - psc) * rate
        states.append(Trace(membrane, change, spikes, psc))
    return Trace(*(torch.stack(values) for values in zip(*states, strict=True)))


def psc_filter(values: Tensor, tau_s: float, reverse: bool = False) -> Tensor:
    """The synapse's response to `values` (T, ...): a[t] = a[t-1] + (values[t] - a[t-1]) / tau_s.

    With `reverse` its adjoint: E_t = sum over j >= t of kappa[j-t] values[j], kappa[n] = (1 - 1/tau_s)^n / tau_s.
    """
    rate, psc = 1.0 / tau_s, torch.zeros_like(values[0])
    steps = []
    for value in values.flip(0) if reverse else values:
        psc = psc + (value - psc) * rate
        steps.append(psc)
    return torch.stack(steps[::-1] if reverse else steps)


def surrogate(membrane: Tensor, threshold: float) -> Tensor:
    """sg(u) = z / ((1 + z)^2 0.2), z = exp(clamp((threshold - u) / 0.2, -8, 8)); 1.25 at the threshold."""
    z = ((threshold - membrane) / SURROGATE_WIDTH).clamp(-8, 8).exp()
    return z / ((1 + z) ** 2 * SURROGATE_WIDTH)


def gradient_head(states: Trace, filtered: Tensor, neuron: Neuron) -> Tensor:
    """dL/dI (T, ...) from `filtered` = E, the filtered dL/da (which is dL/ds), by the authors' last code.

    A spike gets h = (E + theta u / tau_m) min(1 / du, 8), other steps theta faded by the leak, where theta is the h of the
    step after; while a neuron's psc is below 1 / (4 tau_s), E times the surrogate derivative takes their place.
    """
    leak = 1.0 / neuron.tau_m
    fallback = filtered * surrogate(states.membrane, neuron.threshold)
    if neuron.gradient == "surrogate":
        return fallback
    reset = leak if neuron.gradient == "tssl" else 0.0
    direct = -(-1 / states.change).clamp(-8, 0)
    theta = torch.zeros_like(filtered[0])
    steps = []
    for t in reversed(range(len(filtered))):
        fired = direct[t] * (filtered[t] + theta * (states.membrane[t] * reset))
        theta = torch.where(states.spikes[t] > 0, fired, (1 - leak) * theta)
        steps.append(theta)
    return torch.where(states.psc < 0.25 / neuron.tau_s, fallback, torch.stack(steps[::-1]))


def gradient_paper(states: Trace, grad: Tensor, neuron: Neuron, firing: Tensor) -> Tensor:
    """dL/dI (T, ...) from `grad` = dL/da, by the authors' code of the time of publication.

    r[m] = e[m] + u[m] / tau_m (1 - 1 / tau_m)^(p - m - 1) e[p] for a spike at m followed by one at p, else e[m]; filtered,
    it is multiplied by clamp(1 / du, -10, 10) at spikes if the layer is `firing`, else everywhere by the surrogate.
    """
    leak = 1.0 / neuron.tau_m
    if neuron.gradient == "tssl":
        later = torch.zeros_like(grad[0])
        errors = []
        for t in reversed(range(len(grad))):
            spike = states.spikes[t]
            errors.append(grad[t] + spike * (states.membrane[t] * leak) * later)
            later = torch.where(spike > 0, grad[t], (1 - leak) * later)
        grad_spikes = torch.stack(errors[::-1])
    else:
        grad_spikes = grad
    filtered = psc_filter(grad_spikes, neuron.tau_s, reverse=True)
    direct = torch.where(states.spikes > 0, (1 / states.change).clamp(-10, 10), 0.0)
    smooth = surrogate(states.membrane, neuron.threshold)
    return filtered * (smooth if neuron.gradient == "surrogate" else torch.where(firing, direct, smooth))


def sum_pool(psc: Tensor, size: int) -> Tensor:
    """(..., H, W) -> (..., H // size, W // size): 1.1 times the sum over windows; rows and columns left over are dropped."""
    height, width = (psc.shape[-2] // size * size, psc.shape[-1] // size * size)
    rows = _add([psc[..., k:height:size, :width] for k in range(size)])
    return _add([rows[..., k::size] for k in range(size)]) * POOL_WEIGHT


def _add(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
