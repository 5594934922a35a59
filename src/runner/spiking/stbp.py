"""STBP: backpropagation through all steps, leak and reset included, with a slope in the place of a spike's derivative.

Wu, Deng, Li, Zhu and Shi, "Spatio-Temporal Backpropagation for Training High-Performance Spiking Neural Networks", Frontiers in
Neuroscience 2018, equations 17 to 27.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi
from typing import Unpack

import torch
from torch import Tensor

from runner.spiking.dynamics import Constants, Neuron, Slope, Trace
from runner.spiking.words import Shape


@dataclass(frozen=True)
class STBP:
    """The rule "stbp" with the `Slope` of this shape and width. Raises `ConfigurationError` for others."""

    shape: Shape
    width: float

    def neuron(self, **constants: Unpack[Constants]) -> Neuron:
        """A neuron whose gradients go back so."""
        return Neuron(**constants, gradient="stbp", slope=Slope(self.shape, self.width))


def gradient_through_time(states: Trace, filtered: Tensor, neuron: Neuron, _firing: Tensor, owed: Tensor) -> Tensor:
    """dL/dI (T, ...) from `filtered` = E = dL/ds.

    d[t] = E[t] h(u[t]) + (1 - 1 / tau_m) (1 - s[t] - u[t] h(u[t])) d[t+1], as I[t] adds to u[t] alone and
    u[t+1] = (1 - 1 / tau_m) u[t] (1 - s[t]) + I[t+1]; h is the neuron's slope.
    """
    keep = 1 - 1.0 / neuron.tau_m
    slope = derivative(states.membrane - neuron.threshold, neuron.slope)
    through = keep * ((1 - states.spikes) - states.membrane * slope)
    later, steps = owed[0].clone(), []
    for t in reversed(range(len(filtered))):
        later = filtered[t] * slope[t] + through[t] * later
        steps.append(later)
    owed[0] = later
    return torch.stack(steps[::-1])


def derivative(above: Tensor, slope: Slope) -> Tensor:
    """h of how far the membranes are `above` the threshold.

    With x = above / width, times 1 / width: rectangle 1 where |x| < 1/2; triangle max(0, 1 - |x|); logistic
    e^-x / (1 + e^-x)^2, |x| cut at 8; arctan 1 / (pi (1 + x^2)). The published reference code is the rectangle of width 1.
    """
    return SHAPES[slope.shape](above, slope.width)


def _rectangle(above: Tensor, width: float) -> Tensor:
    return (above.abs() < width / 2).to(above.dtype) / width


def _triangle(above: Tensor, width: float) -> Tensor:
    return (1 - above.abs() / width).clamp(min=0) / width


def _logistic(above: Tensor, width: float) -> Tensor:
    z = (-above / width).clamp(-8, 8).exp()
    return z / ((1 + z) ** 2 * width)


def _arctan(above: Tensor, width: float) -> Tensor:
    return 1 / ((1 + (above / width) ** 2) * (pi * width))


SHAPES: Mapping[Shape, Callable[[Tensor, float], Tensor]] = {
    "rectangle": _rectangle,
    "triangle": _triangle,
    "logistic": _logistic,
    "arctan": _arctan,
}
