"""Networks as nodes of a graph, a layer at a time."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.extras import needed
from runner.models.converted import ConvertedNetwork, IntegratingLayer, MeanPool
from runner.models.snn import SpikingNetwork
from runner.models.snn_layers import Convolution, written
from runner.models.spiking import Spiking, SumPool
from runner.spiking.dynamics import POOL_WEIGHT, Neuron

STEP = 1e-4  # seconds of a step of time, which the libraries that read graphs take for granted
Layer = Spiking | IntegratingLayer


def graph(network: nn.Module, input_shape: Sequence[int], task: str | None = None) -> Any:
    """The `nir.NIRGraph` of a network up to the output spikes of a task, by default its only one; inputs are (C, H, W).

    Raises `ConfigurationError` for a network, or a neuron, that NIR has no words for, and where there are several tasks and
    none is named.
    """
    nir = needed("nir", "nir")
    hidden, heads, pooled = _parts(network)
    if task not in heads and (task is not None or len(heads) > 1):
        raise ConfigurationError(f"task={task!r} has no outputs of its own; name one of {', '.join(heads)}")
    output = heads[task or next(iter(heads))]
    writing = _Writing(nir, tuple(input_shape[-3:]))
    for name, layer in [*hidden.items(), ("output", output)]:
        if isinstance(layer, Spiking | IntegratingLayer):
            writing.weigh(name, layer)
            writing.fire(name, layer)
        size = layer.pool if isinstance(layer, Spiking | IntegratingLayer) else layer.size
        if size > 1:
            writing.pool(name, size, pooled)
    return writing.finished()


def _parts(network: nn.Module) -> tuple[dict[str, Any], Mapping[str, Any], float]:
    """The hidden layers by name, the heads, and by how much a pooling is more than a mean, per element of its window."""
    if isinstance(network, SpikingNetwork):
        known: tuple[type, ...] = (Spiking, SumPool)
        factor = POOL_WEIGHT
    elif isinstance(network, ConvertedNetwork):
        known, factor = (IntegratingLayer, MeanPool), 0.0
    else:
        raise ConfigurationError(
            f"NIR has no neurons for {type(network).__name__}; networks of model=snn_... and the converted ones of "
            "method=ann2snn can be written"
        )
    for name, layer in network.hidden.named_children():
        if not isinstance(layer, known):
            raise ConfigurationError(f"layer hidden.{name}, a {type(layer).__name__}, has no counterpart in NIR")
    return dict(network.hidden.named_children()), dict(network.heads.items()), factor


class _Writing:
    """Nodes in a row, the shape (C, H, W) or (N,) that the last one gives, and a factor that the next weights make up for."""

    def __init__(self, nir: Any, shape: tuple[int, ...]) -> None:
        self.nir, self.shape, self.factor = nir, shape, 1.0
        self.nodes: dict[str, Any] = {"input": nir.Input({"input": np.array(shape)})}

    def weigh(self, name: str, layer: Layer) -> None:
        spec, bias = layer.spec, layer.bias if isinstance(layer, IntegratingLayer) else None
        synapse = layer.neuron.tau_s if isinstance(layer.neuron, Neuron) else 1.0
        weight = _array(layer.weight * (self.factor / synapse))
        self.factor = 1.0
        if isinstance(spec, Convolution):
            if spec.stride != (1, 1) or spec.dilation != (1, 1):
                raise ConfigurationError(f"layer {name}, {written(spec)}: strides and dilation are not written")
            biases = np.zeros(spec.channels, np.float32) if bias is None else _array(bias)
            self.nodes[f"weights_{name}"] = self.nir.Conv2d(
                self.shape[1:], weight, spec.stride, spec.padding, spec.dilation, 1, biases
            )
            sides = zip(self.shape[1:], spec.padding, spec.kernel, strict=True)
            self.shape = (spec.channels, *(side + 2 * padding - kernel + 1 for side, padding, kernel in sides))
            return
        if spec.recurrent:
            raise ConfigurationError(f"layer {name}, {written(spec)}: recurrent weights are not written")
        if len(self.shape) > 1:  # counted from the end: libraries differ in whether 0 is the batch
            self.nodes[f"flatten_{name}"] = self.nir.Flatten({"input": np.array(self.shape)}, -3, -1)
        self.nodes[f"weights_{name}"] = (
            self.nir.Linear(weight) if bias is None else self.nir.Affine(weight, _array(bias))
        )
        self.shape = (spec.neurons,)

    def fire(self, name: str, layer: Layer) -> None:
        full, neuron = partial(np.full, self.shape, dtype=np.float32), layer.neuron
        if isinstance(neuron, Neuron):
            self.nodes[f"neurons_{name}"] = self.nir.CubaLIF(
                tau_syn=full(neuron.tau_s * STEP),
                tau_mem=full(neuron.tau_m * STEP),
                r=full(neuron.tau_m),
                v_leak=full(0),
                v_threshold=full(neuron.threshold),
                v_reset=full(0),
                w_in=full(neuron.tau_s),
            )
            return
        if neuron.reset != "zero":
            raise ConfigurationError(
                f"layer {name}: NIR's integrate-and-fire neurons are set to zero when they fire, and method.reset={neuron.reset} "
                "subtracts the threshold; train with method.reset=zero to write it"
            )
        self.nodes[f"neurons_{name}"] = self.nir.IF(
            r=full(1 / STEP), v_threshold=full(neuron.threshold), v_reset=full(0)
        )

    def pool(self, name: str, size: int, per_element: float) -> None:
        sides = np.array([size, size])
        self.nodes[f"pool_{name}"] = self.nir.AvgPool2d(sides, sides, np.array([0, 0]))
        self.shape = (self.shape[0], *(side // size for side in self.shape[1:]))
        self.factor *= per_element * size**2 if per_element else 1.0

    def finished(self) -> Any:
        self.nodes["output"] = self.nir.Output({"output": np.array(self.shape)})
        names = list(self.nodes)
        return self.nir.NIRGraph(nodes=self.nodes, edges=list(pairwise(names)))


def _array(values: Tensor) -> Any:
    return values.detach().cpu().float().contiguous().numpy()
