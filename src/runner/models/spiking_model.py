"""What every spiking network is to those who train, measure, draw or export one, whatever its neurons are.

Shapes: T steps, B samples; time comes first.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.models.snn_layers import Convolution, Linear, written


class FiringNeuron(Protocol):
    """Constants of a neuron that fires where its membrane's potential is above a threshold; each kind has its own besides."""

    @property
    def threshold(self) -> float:
        """Potential above which it fires; at rest it is 0."""


class SpikingLayer(NamedTuple):
    """A layer of neurons as its network shows it."""

    name: str  # in `SpikingModel.trace`
    spec: Convolution | Linear  # what its weights connect
    weight: Tensor  # (channels, in_channels, rows, columns) or (neurons, inputs)
    neuron: FiringNeuron
    source: str | None  # the layer whose spikes come in; None: the network's inputs
    pooled: int = 1  # side of the windows over which what comes in is summed before it is weighed
    task: str | None = None  # that its neurons answer; None: hidden
    recurrent: Tensor | None = None  # (neurons, neurons) weights from each other, where they have some


class Weighing(Protocol):
    """A module of weights, the neurons behind them and the pooling that follows."""

    spec: Convolution | Linear
    weight: nn.Parameter
    pool: int

    @property
    def neuron(self) -> FiringNeuron:
        """The neurons."""


class LayerTrace(NamedTuple):
    """The states of a layer's neurons over time, each (T, B, ...)."""

    membrane: Tensor  # before the reset
    spikes: Tensor  # 0 or 1
    psc: Tensor  # postsynaptic currents
    fallback: Tensor | None = None  # bool, broadcasts: where the gradient rule gives way to another; None: nowhere


class SpikingModel(nn.Module, ABC):
    """A network of spiking neurons with one output layer per label task; it shows `steps` steps of every sample."""

    steps: int

    @abstractmethod
    def layers(self) -> Sequence[SpikingLayer]:
        """All layers of neurons in the order in which they are computed, the outputs last."""

    @abstractmethod
    def psc(self, inputs: Tensor) -> dict[str, Tensor]:
        """Postsynaptic currents (T, B, classes) of every task's output neurons; what losses look at.

        `inputs` are images (B, C, H, W) or spikes over time (T, B, C, H, W).
        """

    @abstractmethod
    def trace(self, inputs: Tensor) -> Mapping[str, LayerTrace]:
        """What every layer does, by its name, without gradients; every layer is computed once. Everything is kept."""

    @abstractmethod
    def wanted(self, train: Sequence[float] | None) -> Tensor:
        """The currents (T,) wanted of the true class's output neuron: those of a neuron that fires as `train` (T,) says.

        None is the train of whoever published the network. Raises `ConfigurationError` for currents that silence is nearer
        to than any spikes are.
        """

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Logits (B, classes) of every task: the output's postsynaptic currents summed over time."""
        return {task: psc.sum(0) for task, psc in self.psc(inputs).items()}


def chained(hidden: Mapping[str, Weighing | int], heads: Mapping[str, Weighing]) -> list[SpikingLayer]:
    """The layers of a chain and of the heads behind it, by their names in `named_modules`.

    `hidden` is what follows each other, a pooling by the side of its windows; `heads` are those of the tasks.
    """
    found: list[SpikingLayer] = []
    source, pooled = None, 1
    for number, layer in hidden.items():
        if isinstance(layer, int):
            pooled *= layer
            continue
        found.append(SpikingLayer(f"hidden.{number}", layer.spec, layer.weight, layer.neuron, source, pooled))
        source, pooled = found[-1].name, layer.pool
    return [
        *found,
        *(
            SpikingLayer(f"heads.{task}", head.spec, head.weight, head.neuron, source, pooled, task)
            for task, head in heads.items()
        ),
    ]


def layer_names(network: SpikingModel) -> dict[str, str]:
    """Name of a layer in a trace -> as papers write it, numbered where several are written alike; outputs are called that."""
    layers = network.layers()
    outputs = [layer.task for layer in layers if layer.task is not None]
    told = {
        layer.name: written(layer.spec)
        if layer.task is None
        else "output"
        if len(outputs) == 1
        else f"output {layer.task}"
        for layer in layers
    }
    counts, seen = Counter(told.values()), Counter[str]()
    for name, text in told.items():
        seen[text] += 1
        told[name] = text if counts[text] == 1 else f"{text} ({seen[text]})"
    return told


def steps_of(steps: int | None, input_shape: tuple[int, ...]) -> int:
    """For how many steps a network runs; raises `ConfigurationError` where `steps` and the inputs' shape do not say one."""
    if len(input_shape) not in (3, 4):
        raise ConfigurationError(
            f"spiking networks take images (C, H, W) or events (T, C, H, W), and these inputs are {input_shape}"
        )
    if len(input_shape) == 3 and steps is None:
        raise ConfigurationError(
            "model.steps=null, but images do not say for how many steps to show them; use model.steps=5"
        )
    if len(input_shape) == 4 and steps not in (None, input_shape[0]):
        raise ConfigurationError(
            f"model.steps={steps}, but the events come in {input_shape[0]} steps; use model.steps=null or dataset.steps={steps}"
        )
    return input_shape[0] if steps is None else steps
