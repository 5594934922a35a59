"""Layers of spiking networks that never fire, found while a training can still be stopped."""

import torch
from torch import nn

from runner.device import Autocast
from runner.layers.modes import evaluation
from runner.models.spiking_model import SpikingModel
from runner.training.batches import Data

SAMPLES = 50  # test samples that are looked at


@torch.no_grad()
def silent_layers(network: nn.Module, data: Data, autocast: Autocast) -> list[str]:
    """A warning for each layer that fires on none of `SAMPLES` test samples; none for a network that has no spikes."""
    if not isinstance(network, SpikingModel):
        return []
    inputs = data.shown("test", SAMPLES)
    with evaluation(network), autocast():
        traces = network.trace(inputs.inputs)
    count = inputs.inputs.shape[inputs.axis]
    outputs = {layer.name for layer in network.layers()} - {layer.source for layer in network.layers()}
    return [
        f"layer {name} fires on none of {count} test samples: "
        + ("every answer is the same" if name in outputs else "what it learns reaches no answer")
        for name, trace in traces.items()
        if not trace.spikes.any()
    ]
