"""State of methods beside networks: maps of tensors as buffers, and networks that only predict."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Named(nn.Module):
    """A map from parameter names to tensors of fixed shapes, kept as buffers: masks, earlier weights, scores."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._names = tuple(values)
        for number, value in enumerate(values.values()):
            self.register_buffer(str(number), value.detach().clone())

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def read(self) -> dict[str, Tensor]:
        """The tensors themselves by name."""
        return {name: self.get_buffer(str(number)) for number, name in enumerate(self._names)}

    @torch.no_grad()
    def write(self, values: Mapping[str, Tensor]) -> None:
        """Take over the values of the same names."""
        for name, value in self.read().items():
            value.copy_(values[name])

    @torch.no_grad()
    def mask(self, network: nn.Module) -> None:
        """Multiply the network's parameters of these names by these tensors, in place; a stage's `project`."""
        for name, value in self.read().items():
            network.get_parameter(name).mul_(value)

    @torch.no_grad()
    def restore(self, network: nn.Module) -> None:
        """Put these tensors in the place of the network's parameters of these names."""
        for name, value in self.read().items():
            network.get_parameter(name).copy_(value)


class Frozen(nn.Module):
    """A network that only predicts, whatever mode its method is in: no dropout, no gradients, no moving statistics."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval()

    def train(self, mode: bool = True) -> "Frozen":
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, *inputs: Any) -> Any:
        """What the network predicts."""
        return self.network(*inputs)
