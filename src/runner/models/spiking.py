"""Spiking layers; time is folded into the batch of every convolution and product, and every layer is one operation more.

Shapes: T steps, B samples. Layers take and give `(values, steps)`: values over time (T, B, ...) with steps None, or values
that stay the same for `steps` steps and have yet to pass the synapse, (B, ...). Being linear, the weights are applied to
such values once.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from runner.functional.spiking import Neuron, psc_filter, spiking_layer, sum_pool
from runner.models.snn_layers import Convolution, Linear, Pool, Spec

Values = tuple[Tensor, int | None]


class Spiking(nn.Module):
    """Weights without bias, spiking neurons, and what follows them: sum pooling and dropout.

    A dropout mask is shared over time and rescales what it keeps by 1 / (1 - dropout); `dropout_rows` drops whole rows of a
    map, as the authors' code does, instead of single neurons.
    """

    def __init__(
        self, spec: Convolution | Linear, neuron: Neuron, dropout: float = 0.0, dropout_rows: bool = False
    ) -> None:
        super().__init__()
        self.spec, self.neuron, self.dropout, self.dropout_rows = spec, neuron, dropout, dropout_rows
        shape: tuple[int, ...] = (
            (spec.channels, spec.in_channels, *spec.kernel)
            if isinstance(spec, Convolution)
            else (spec.neurons, spec.inputs)
        )
        self.weight = nn.Parameter(torch.empty(shape))

    def forward(self, inputs: Values) -> Values:
        """Postsynaptic currents (T, B, ...)."""
        values, steps = inputs
        current = self.weigh(values, steps)
        pool = self.spec.pool if isinstance(self.spec, Convolution) else 1
        shape = current.shape[1:] if steps is None else current.shape
        scale = self._mask(shape, pool, current.device)
        return spiking_layer(current, self.neuron, steps=steps, pool=pool, scale=scale, consume=True), None

    def weigh(self, values: Tensor, steps: int | None) -> Tensor:
        """The weighted sums of `values`, (T, B, ...) or, for constant ones, (B, ...)."""
        time = steps is None
        if isinstance(self.spec, Linear):
            return F.linear(values.flatten(2 if time else 1), self.weight)
        folded = _channels_last(values.flatten(0, 1) if time else values)
        spec = self.spec
        current = F.conv2d(folded, self.weight, stride=spec.stride, padding=spec.padding, dilation=spec.dilation)
        return current.unflatten(0, values.shape[:2]) if time else current

    def _mask(self, shape: Sequence[int], pool: int, device: torch.device) -> Tensor | None:
        if not self.training or self.dropout == 0:
            return None
        if len(shape) == 4:
            samples, channels, height, width = shape
            shape = (samples, channels, height // pool, 1 if self.dropout_rows else width // pool)
        keep = 1 - self.dropout
        return torch.empty(tuple(shape), device=device).bernoulli_(keep).div_(keep)


def _channels_last(values: Tensor) -> Tensor:
    """(N, C, H, W) with C innermost in memory, and seen to be so: torch takes a single channel for the other order."""
    values = values.contiguous(memory_format=torch.channels_last)
    _, channels, height, width = values.shape
    return values if channels > 1 else values.as_strided(values.shape, (height * width, 1, width, 1))


class SumPool(nn.Module):
    """1.1 times the sum over windows; linear, so that it holds for constant values too."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, inputs: Values) -> Values:
        """(..., C, H, W) -> (..., C, H // size, W // size)."""
        values, steps = inputs
        return sum_pool(values, self.size), steps


class SpikingStack(nn.Sequential):
    """Layers in a row. Constant inputs (B, C, H, W) are shown for `steps` steps; inputs over time bring their own T."""

    def __init__(self, layers: Sequence[nn.Module], neuron: Neuron, steps: int | None) -> None:
        super().__init__(*layers)
        self.neuron, self.steps = neuron, steps

    def start(self, inputs: Tensor) -> Values:
        """Inputs as layers take them: (B, C, H, W) as they are, (T, B, C, H, W) through the synapse."""
        return (inputs, self.steps) if inputs.dim() == 4 else (psc_filter(inputs, self.neuron.tau_s), None)

    def forward(self, inputs: Tensor) -> Tensor:
        """Postsynaptic currents (T, B, ...) of the last layer."""
        values = self.start(inputs)
        for layer in self:
            values = layer(values)
        return values[0]


def build(
    specs: Sequence[Spec], neuron: Neuron, dropout: Sequence[float] | None = None, dropout_rows: bool = False
) -> list[nn.Module]:
    """The layers that `specs` describe, with the dropout that follows each."""
    after = dropout or [0.0] * len(specs)
    return [
        SumPool(spec.size) if isinstance(spec, Pool) else Spiking(spec, neuron, rate, dropout_rows)
        for spec, rate in zip(specs, after, strict=True)
    ]
