"""Spike-response neurons and SLAYER's gradient: errors go back through the kernels that spikes came by.

Shrestha and Orchard, "SLAYER: Spike Layer Error Reassignment in Time", NeurIPS 2018; src/slayer.py in
github.com/bamsumit/slayerPytorch. Time is the first dimension, every function walks it once.
"""

from dataclasses import dataclass
from math import e, exp
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from runner.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class ResponseNeuron:
    """A neuron whose membrane is a sum of responses to what came in and to its own spikes; times in steps.

    `tau_s` and `tau_ref` are the time constants of the response and of the refractory response, `scale_ref` is the height of
    the latter in thresholds. `tau_rho` (in thresholds) is the width, and `scale_rho` a factor, of the `density` that stands in
    for a spike's derivative. Raises `ConfigurationError` for constants that are not positive.
    """

    tau_s: float
    tau_ref: float
    scale_ref: float
    tau_rho: float
    scale_rho: float
    threshold: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigurationError(f"{name}={value} must be above 0")


class States(NamedTuple):
    """States over time, each (T, ...)."""

    membrane: Tensor
    spikes: Tensor


def respond(values: Tensor, tau: float, reverse: bool = False) -> Tensor:
    """sum over r < t of epsilon[t - r] values[r] (T, ...), epsilon[n] = (n / tau) exp(1 - n / tau), which is 0 at 0.

    With `reverse` its adjoint, the correlation of later values with the kernel.
    """
    fade = exp(-1.0 / tau)
    sums = slope = torch.zeros_like(values[0])  # of n fade^n and fade^n over what came n steps ago
    steps = []
    for value in values.flip(0) if reverse else values:
        sums = (sums + slope) * fade
        slope = slope * fade + value
        steps.append(sums * (e / tau))
    return torch.stack(steps[::-1] if reverse else steps)


def run(current: Tensor, neuron: ResponseNeuron) -> States:
    """Fire on weighted spikes (T, ...).

    u[t] = sum over r < t of epsilon[t - r] current[r] + nu[t - r] s[r], s = 1 where u > threshold, with
    nu[n] = -scale_ref threshold (n / tau_ref) exp(1 - n / tau_ref).
    """
    response = respond(current.to(torch.promote_types(current.dtype, torch.float32)), neuron.tau_s)
    fade, height = exp(-1.0 / neuron.tau_ref), neuron.scale_ref * neuron.threshold * e / neuron.tau_ref
    sums = slope = torch.zeros_like(response[0])
    membranes, spikes = [], []
    for step in response:
        sums = (sums + slope) * fade
        membrane = step - sums * height
        fired = (membrane > neuron.threshold).to(membrane.dtype)
        slope = slope * fade + fired
        membranes.append(membrane)
        spikes.append(fired)
    return States(torch.stack(membranes), torch.stack(spikes))


def density(membrane: Tensor, neuron: ResponseNeuron) -> Tensor:
    """rho(u) = scale_rho / w exp(-|u - threshold| / w), w = tau_rho threshold: SLAYER's derivative of a spike."""
    width = neuron.tau_rho * neuron.threshold
    return (neuron.scale_rho / width) * (-(membrane - neuron.threshold).abs() / width).exp()


def fire(current: Tensor, neuron: ResponseNeuron) -> Tensor:
    """The spikes (T, ...) of `run`, with SLAYER's gradient: rho(u) times the error, correlated with epsilon.

    What a spike does to its own neuron's later ones is no part of it.
    """
    if torch.compiler.is_exporting():  # to a form without gradients
        return run(current, neuron).spikes
    return _Fire.apply(current, neuron)


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, current: Tensor, neuron: ResponseNeuron) -> Tensor:
        states = run(current, neuron)
        ctx.neuron, ctx.dtype = neuron, current.dtype
        ctx.save_for_backward(states.membrane)
        return states.spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (membrane,) = ctx.saved_tensors
        error = grad * density(membrane, ctx.neuron)
        return respond(error, ctx.neuron.tau_s, reverse=True).to(ctx.dtype), None
