"""Feed-forward networks of rectified units written as spiking ones are, so that they can be converted into such."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from runner.models import Heads
from runner.models.snn_layers import Convolution, Linear, Pool, parse


class Activations(NamedTuple):
    """What the layers with weights give."""

    hidden: list[Tensor]  # of each, rectified, before any pooling (B, ...)
    outputs: dict[str, Tensor]  # of the heads (B, classes)


class ReluNetwork(nn.Module):
    """Weights with biases and rectified units, means in the place of sum pooling, a linear layer for every task.

    `layers` as for `runner.models.snn.SpikingNetwork`; `tasks` maps a label task to its number of classes; `input_shape` is
    (C, H, W). Weights are drawn normally with deviation sqrt(2 / fan_in), biases are 0. Raises `ConfigurationError` for a wrong
    `layers`.
    """

    def __init__(self, *, layers: str | int, tasks: Mapping[str, int], input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.specs, features = parse(str(layers), input_shape)
        self.hidden = nn.Sequential()
        for spec in self.specs:
            match spec:
                case Convolution():
                    self.hidden.append(nn.Conv2d(spec.in_channels, spec.channels, spec.kernel, padding=spec.padding))
                    self.hidden.append(nn.ReLU())
                    if spec.pool > 1:
                        self.hidden.append(nn.AvgPool2d(spec.pool))
                case Linear():
                    self.hidden.extend((nn.Flatten(), nn.Linear(spec.inputs, spec.neurons), nn.ReLU()))
                case Pool():
                    self.hidden.append(nn.AvgPool2d(spec.size))
        self.heads = Heads({task: nn.Linear(features, classes) for task, classes in tasks.items()})
        for layer in self.weighted():
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def weighted(self) -> list[nn.Conv2d | nn.Linear]:
        """The layers with weights, in the order of the specifications, heads last."""
        layers = (*self.hidden, *self.heads.values())
        return [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)]

    def activations(self, inputs: Tensor) -> Activations:
        """What every layer with weights gives for images (B, C, H, W)."""
        found, values = [], inputs
        for layer in self.hidden:
            values = layer(values)
            if isinstance(layer, nn.ReLU):
                found.append(values)
        return Activations(found, self.heads(values.flatten(1)))

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Logits (B, classes) of every task."""
        return self.activations(inputs).outputs
