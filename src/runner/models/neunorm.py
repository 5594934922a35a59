"""NeuNorm: neurons beside a layer's maps that follow how active all of them are, and dampen each as it has learned to.

Wu, Deng, Li, Zhu, Xie and Shi, "Direct Training for Spiking Neural Networks: Faster, Larger, Better", AAAI 2019.
"""

from collections.abc import Sequence

import torch
from torch import nn

from runner.models.snn_layers import Convolution, Pool, Spec
from runner.models.spiking import Signals
from runner.spiking.neuron import psc_filter


class NeuNorm(nn.Module):
    """x[t] = decay x[t-1] + (1 - decay) mean over the maps of o[t], for maps o (C, H, W); gives o[t] - weight x[t].

    `weight` (C, H, W) begins at 0, where nothing is dampened. Linear, so that it may stand before the synapse.
    """

    def __init__(self, shape: tuple[int, int, int], decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(self, signals: Signals) -> Signals:
        """Maps (T, B, C, H, W), which are rarely zero afterwards."""
        activity = psc_filter(signals.values.mean(2, keepdim=True), 1 / (1 - self.decay))
        return signals._replace(values=signals.values - self.weight * activity, dense=True)


def behind_convolutions(
    layers: list[nn.Module], specs: Sequence[Spec], shape: Sequence[int], decay: float
) -> list[nn.Module]:
    """The layers of `specs` with a `NeuNorm` behind every convolution and its pooling, for inputs (C, H, W)."""
    found: list[nn.Module] = []
    channels, height, width = shape
    for layer, spec in zip(layers, specs, strict=True):
        found.append(layer)
        if isinstance(spec, Pool):
            height, width = height // spec.size, width // spec.size
        elif isinstance(spec, Convolution):
            (rows, columns), (above, left) = spec.kernel, spec.padding
            channels = spec.channels
            height, width = (height + 2 * above - rows + 1) // spec.pool, (width + 2 * left - columns + 1) // spec.pool
            found.append(NeuNorm((channels, height, width), decay))
    return found
