"""Which weights of a network methods prune."""

import torch
from torch import Tensor, nn

from runner.evolution import pruning
from runner.models.spiking_model import SpikingModel


def whole(network: nn.Module) -> dict[str, Tensor]:
    """Masks, by parameter name, that keep all weights of a spiking network's layers, or of the layers of torch in another.

    Raises `ConfigurationError` for a network that has none.
    """
    if not isinstance(network, SpikingModel):
        return pruning.whole(network)
    names = []
    for layer in network.layers():
        names.append(f"{layer.name}.weight")
        if layer.recurrent is not None:
            names.append(f"{layer.name}.recurrent")
    return {name: torch.ones_like(network.get_parameter(name)) for name in names}
