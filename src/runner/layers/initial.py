"""Distributions of initial weights, drawn for the weights of convolution and linear layers.

A draw takes how many values are wanted, the layer's fan-in (inputs of one output: C/groups * kernel area) and a CPU
generator (None: torch's global one) and gives the values, (count,) float32 on the CPU.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import sqrt

import torch
from torch import Generator, Tensor, nn

from runner.layers.kinds import Layer

Draw = Callable[[int, int, Generator | None], Tensor]


def kaiming_normal(count: int, fan_in: int, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation √(2/fan_in), which keeps the variance through ReLU (He et al. 2015, eq. 10)."""
    return torch.empty(count).normal_(0, sqrt(2 / fan_in), generator=generator)


def narrow_uniform(count: int, fan_in: int, generator: Generator | None = None) -> Tensor:
    """Uniform within ±1/√fan_in, as the official Knowledge Evolution re-initialises; √6 narrower than `kaiming_normal`."""
    return torch.empty(count).uniform_(-1 / sqrt(fan_in), 1 / sqrt(fan_in), generator=generator)


def truncated_normal(count: int, fan_in: int, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation 0.01 within two of them, whatever the fan-in: GoogLeNet's."""
    return nn.init.trunc_normal_(torch.empty(count), 0, 0.01, -0.02, 0.02, generator=generator)


def zero(count: int, fan_in: int, generator: Generator | None = None) -> Tensor:
    """All zeros; draws nothing."""
    return torch.zeros(count)


def fan_in(weight: Tensor) -> int:
    """Inputs that one output of a layer with `weight` (outputs, inputs per group, ...) reads."""
    return weight[0].numel()


class Initialized(ABC):
    """A network that says itself how the weights of its convolution and linear layers begin."""

    @abstractmethod
    def initial(self) -> Draw:
        """The distribution of its first weights."""


def initial_draw(model: nn.Module) -> Draw:
    """How the weights of `model` begin: as it says, Kaiming normal where it says nothing."""
    return model.initial() if isinstance(model, Initialized) else kaiming_normal


@torch.no_grad()
def initialize(model: nn.Module, draw: Draw) -> None:
    """Draw the weights of every convolution and linear layer of `model` in place from torch's global generator."""
    for module in model.modules():
        if isinstance(module, Layer):
            weight = module.weight
            weight.copy_(draw(weight.numel(), fan_in(weight), None).view_as(weight))
