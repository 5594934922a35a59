"""NeuNorm: neurons beside a layer's maps that follow how active all of them are, and dampen each as it has learned to.

Wu, Deng, Li, Zhu, Xie and Shi, "Direct Training for Spiking Neural Networks: Faster, Larger, Better", AAAI 2019.
"""

import torch
from torch import nn

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
