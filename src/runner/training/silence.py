"""Layers of spiking networks that never fire, found while a training can still be stopped."""

import torch
from torch import nn

from runner.device import Autocast
from runner.layers.modes import evaluation
from runner.models.spiking_model import SpikingModel
from runner.training.batches import Data

SAMPLES = 50  # test samples that are looked at
TRACED = 500  # steps of samples whose every state is kept at once


@torch.no_grad()
def silent_layers(network: nn.Module, data: Data, autocast: Autocast) -> list[str]:
    """A warning for each layer that fires on none of `SAMPLES` test samples; none for a network that has no spikes."""
    if not isinstance(network, SpikingModel):
        return []
    count, fired = 0, dict[str, bool]()
    with evaluation(network), autocast():
        for batch in data.spread("test", SAMPLES, max(1, TRACED // network.steps)):
            inputs = batch.shared()
            count += inputs.shape[batch.axis]
            for name, trace in network.trace(inputs).items():
                fired[name] = fired.get(name, False) or bool(trace.spikes.any())
    outputs = {layer.name for layer in network.layers() if layer.task is not None}
    return [
        f"layer {name} fires on none of {count} test samples: "
        + ("every answer is the same" if name in outputs else "what it learns reaches no answer")
        for name, fires in fired.items()
        if not fires
    ]
