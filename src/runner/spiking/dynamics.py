"""The spiking neuron of TSSL-BP in plain torch: its constants, its states over time, its synapse.

Zhang and Li, "Temporal Spike Sequence Learning via Backpropagation for Deep Spiking Neural Networks", NeurIPS 2020. Time is
the first dimension; every function walks it once, so that the cost is linear in the number of steps T.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import torch
from torch import Tensor

from runner.errors import ConfigurationError
from runner.spiking.words import Gradient, Shape, Version, check

POOL_WEIGHT = 1.1  # of every element of a sum pooling, in the authors' code


@dataclass(frozen=True)
class Slope:
    """What stands in for a spike's derivative with respect to the membrane: a bump of area 1 round the threshold, see `stbp`."""

    shape: Shape
    width: float

    def __post_init__(self) -> None:
        check("shape", self.shape, Shape)
        if not self.width > 0:
            raise ConfigurationError(f"width={self.width} must be above 0")


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """Constants of a leaky integrate-and-fire neuron with a first-order synapse, and the rule of its gradient.

    `tau_m` and `tau_s` are the time constants of membrane and synapse in steps. `gradient` is the name of a row of
    `runner.spiking.rules.RULES`. `version` is TSSL-BP's alone, None beside other rules: its authors' last code ("released")
    or that of the time of publication ("published"); both fire alike, their gradients differ. `slope` is "stbp"'s alone.
    """

    tau_m: float
    tau_s: float
    threshold: float = 1.0
    version: Version | None = "released"
    gradient: Gradient = "tssl"
    slope: Slope = Slope("rectangle", 1.0)

    def __post_init__(self) -> None:
        for name, value in (("tau_m", self.tau_m), ("tau_s", self.tau_s)):
            if not value >= 1:
                raise ConfigurationError(f"{name}={value} must be at least 1 step")
        if not self.threshold > 0:
            raise ConfigurationError(f"threshold={self.threshold} must be above the resting potential 0")
        if self.version is not None:
            check("version", self.version, Version)
        check("gradient", self.gradient, Gradient)


class Constants(TypedDict):
    """What a neuron is beside its gradient rule, which is chosen apart."""

    tau_m: float
    tau_s: float
    threshold: float
    version: Version | None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer of neurons with what comes before and after it up to the next weights; see `neuron.spiking_layer`."""

    neuron: Neuron
    steps: int | None = None  # the current is constant over so many steps, and has yet to pass the synapse
    pool: int = 1  # windows that are summed
    synapse: bool = False  # the current is a weighted sum of spikes, which has yet to pass the synapse
    spikes: bool = False  # give spikes instead of postsynaptic currents
    first: int = 0  # of the steps of a constant current, which was switched on at step 0


class Trace(NamedTuple):
    """States of neurons over time, each (T, ...)."""

    membrane: Tensor  # u before the reset
    change: Tensor  # du
    spikes: Tensor  # 0 or 1
    psc: Tensor  # a, the postsynaptic current: spikes filtered by the synapse


def trace(current: Tensor, neuron: Neuron, held: Tensor | None = None) -> Trace:
    """Run neurons on their input currents (T, ...).

    du[t] = -u+[t-1] / tau_m + I[t];  u = u+[t-1] + du;  s = 1 if u > threshold;  u+ = u (1 - s);
    a[t] = a[t-1] + (s - a[t-1]) / tau_s, everything 0 before the first step, or u+ and a as `held` (2 or more, ...) says,
    which then holds those after the last.
    """
    leak, rate = 1.0 / neuron.tau_m, 1.0 / neuron.tau_s
    membrane_after = psc = torch.zeros_like(current[0])
    if held is not None:
        membrane_after, psc = held[0].clone(), held[1].clone()
    states: list[Trace] = []
    for step in current:
        change = membrane_after * -leak + step
        membrane = membrane_after + change
        spikes = (membrane > neuron.threshold).to(current.dtype)
        membrane_after = membrane * (1 - spikes)
        psc = psc + (spikes - psc) * rate
        states.append(Trace(membrane, change, spikes, psc))
    if held is not None:
        held[0], held[1] = membrane_after, psc
    return Trace(*(torch.stack(values) for values in zip(*states, strict=True)))


def over_time(current: Tensor, layer: Layer, held: Tensor | None = None) -> Tensor:
    """The neurons' currents (T, ...), in float32 at least, from what a layer takes; `held` (...) as in `psc_filter`."""
    current = current.to(torch.promote_types(current.dtype, torch.float32))
    if layer.synapse:
        return psc_filter(current, layer.neuron.tau_s, held=held)
    return current if layer.steps is None else factors(current.unsqueeze(0), layer) * current


def factors(like: Tensor, layer: Layer) -> Tensor:
    """The `drive` of a layer's steps as a tensor that multiplies one such as `like`, (T or 1, ...)."""
    assert layer.steps is not None
    values = drive(layer.steps, layer.neuron.tau_s, layer.first)
    numbers = [
        like.new_full((), value) for value in values
    ]  # filled in on the device: a copy of the host's would wait for it
    return torch.stack(numbers).view(-1, *[1] * (like.dim() - 1))


def drive(steps: int, tau_s: float, first: int = 0) -> list[float]:
    """What the synapse makes, from step `first` on, of a constant 1 switched on at step 0: c_t = 1 - (1 - 1 / tau_s)^(t + 1)."""
    return [1.0 - (1.0 - 1.0 / tau_s) ** (t + 1) for t in range(first, first + steps)]


def psc_filter(values: Tensor, tau_s: float, reverse: bool = False, held: Tensor | None = None) -> Tensor:
    """The synapse's response to `values` (T, ...): a[t] = a[t-1] + (values[t] - a[t-1]) / tau_s.

    With `reverse` its adjoint: E_t = sum over j >= t of kappa[j-t] values[j], kappa[n] = (1 - 1/tau_s)^n / tau_s.
    `held` (...) is what it begins with, 0 by default, and afterwards what it ends with.
    """
    rate, psc = 1.0 / tau_s, torch.zeros_like(values[0]) if held is None else held.clone()
    steps = []
    for value in values.flip(0) if reverse else values:
        psc = psc + (value - psc) * rate
        steps.append(psc)
    if held is not None:
        held.copy_(psc)
    return torch.stack(steps[::-1] if reverse else steps)


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
