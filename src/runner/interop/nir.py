"""Spiking networks as NIR graphs, which libraries and neuromorphic hardware read (neuroir.org), and back; needs the extra `nir`.

Pedersen et al., "Neuromorphic intermediate representation: A unified instruction set for interoperable brain-inspired
computing", Nature Communications 2024. A chain of weights, neurons and mean poolings is written and read. Two things are said in
another way there: a sum pooling is the mean pooling, 1.1 k^2 times whose result is in the weights that follow, and a synapse's
factor 1 / tau_s is in the weights before it. What sums the output neurons' currents over time is not in the graph; a task's
spikes are its outputs, and their counts in a library are answers too.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.extras import needed
from runner.models.converted import ConvertedNetwork, IntegrateAndFire, IntegratingLayer, MeanPool
from runner.models.relu import ReluNetwork
from runner.models.snn import SpikingNetwork
from runner.models.snn_layers import Convolution, written
from runner.models.spiking import Spiking, SumPool
from runner.models.spiking_model import SpikingModel
from runner.spiking.dynamics import POOL_WEIGHT, Neuron
from runner.spiking.rules import GradientRule

STEP = 1e-4  # seconds of a step of time, which the libraries that read graphs take for granted
Layer = Spiking | IntegratingLayer


def save(network: nn.Module, path: str | Path, input_shape: Sequence[int], task: str | None = None) -> None:
    """Write `graph` of a network into a file that `nir.read` and `load` take."""
    needed("nir", "nir").write(str(path), graph(network, input_shape, task))


def to_bytes(network: nn.Module, input_shape: Sequence[int]) -> bytes:
    """The file's content."""
    buffer = io.BytesIO()
    needed("nir", "nir").write(buffer, graph(network, input_shape))
    return buffer.getvalue()


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


def load(source: str | Path | Any, *, steps: int, task: str = "class") -> SpikingModel:
    """The network of a file, or of a `nir.NIRGraph`, that shows an image for `steps` steps; in evaluation mode.

    Graphs of CubaLIF neurons become what TSSL-BP trains, `runner.models.snn.SpikingNetwork`, those of IF neurons a
    `ConvertedNetwork`; `task` is what its outputs are called. Raises `ConfigurationError` for what these cannot express, naming
    the node: branches and loops, windows that are not square, strides, neurons that differ from each other.
    """
    nir = needed("nir", "nir")
    found = nir.read(str(source)) if isinstance(source, str | Path) else source
    return _Reading(nir, steps, task).network(dict(_chain(found, nir.Input)))


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


def _chain(found: Any, entrance: type) -> Iterator[tuple[str, Any]]:
    """The nodes from the input to the output; refuses graphs that are more than a chain."""
    entries = [name for name, node in found.nodes.items() if isinstance(node, entrance)]
    if len(entries) != 1:
        raise ConfigurationError(
            f"{len(entries)} nodes are inputs ({', '.join(entries) or 'none'}); give a chain with one"
        )
    (name,), following = entries, dict[str, str]()
    for before, after in found.edges:
        if before in following:
            raise ConfigurationError(
                f"node {before!r} leads to two others, {following[before]!r} and {after!r}; give a chain"
            )
        following[before] = after
    seen = set()
    while name not in seen:
        seen.add(name)
        yield name, found.nodes[name]
        if name not in following:
            return
        name = following[name]
    raise ConfigurationError(f"node {name!r} is reached from itself; give a chain without recurrence")


class _Read(NamedTuple):
    """A layer of a graph."""

    text: str  # as it is written in `layers`
    weight: Tensor
    bias: Tensor


class _Reading:
    """What was found in a chain up to a node."""

    def __init__(self, nir: Any, steps: int, task: str) -> None:
        self.steps, self.task = steps, task
        self.layers: list[_Read] = []
        self.pools: dict[int, list[int]] = {}  # after so many layers with weights
        self.neurons: list[Neuron | IntegrateAndFire] = []
        self.shape: tuple[int, ...] = ()
        self.readers: list[tuple[type, Callable[[str, Any], None]]] = [
            (nir.Input, self._input),
            (nir.Conv2d, self._convolution),
            (nir.Linear, self._linear),
            (nir.Affine, self._affine),
            (nir.AvgPool2d, self._pool),
            (nir.CubaLIF, self._current_based),
            (nir.IF, self._integrating),
        ]
        self.passed = (nir.Flatten, nir.Output)

    def network(self, chain: Mapping[str, Any]) -> SpikingModel:
        for name, node in chain.items():
            reader = next((read for kind, read in self.readers if isinstance(node, kind)), None)
            if reader is not None:
                reader(name, node)
            elif not isinstance(node, self.passed):
                raise ConfigurationError(f"node {name!r} is a {type(node).__name__}, which no network here has")
        if not self.layers or len(self.layers) != len(self.neurons) or len(set(self.neurons)) != 1:
            raise ConfigurationError(
                f"{len(self.layers)} nodes with weights and {len(self.neurons)} of neurons, {len(set(self.neurons))} different: "
                "weights have to be followed by neurons, all alike"
            )
        (neuron,) = set(self.neurons)
        return self._current_based_network(neuron) if isinstance(neuron, Neuron) else self._integrating_network(neuron)

    def _text(self) -> str:
        parts = [f"P{size}" for size in self.pools.get(0, [])]
        for number, layer in enumerate(self.layers[:-1], 1):
            parts += [layer.text, *(f"P{size}" for size in self.pools.get(number, []))]
        return "-".join(parts)

    def _current_based_network(self, neuron: Neuron) -> SpikingModel:
        made = SpikingNetwork(
            layers=self._text(),
            steps=self.steps,
            tau_m=neuron.tau_m,
            tau_s=neuron.tau_s,
            threshold=neuron.threshold,
            version="published",
            gradient=lambda: GradientRule(name="tssl"),
            dropout=0.0,
            dropout_over="elements",
            init=None,
            weight_scale=1.0,
            gradient_dtype="float32",
            tasks={self.task: len(self.layers[-1].weight)},
            input_shape=self.shape,
        )
        if any(layer.bias.any() for layer in self.layers):
            raise ConfigurationError("weights before CubaLIF neurons have a bias, and networks here have none there")
        with torch.no_grad():
            for number, (own, layer) in enumerate(zip(made.layers(), self.layers, strict=True)):
                factor = 1.0
                for size in self.pools.get(number, []):
                    factor *= POOL_WEIGHT * size**2
                own.weight.copy_(layer.weight.view_as(own.weight) * (neuron.tau_s / factor))
        return made.eval()

    def _integrating_network(self, neuron: IntegrateAndFire) -> SpikingModel:
        tasks = {self.task: len(self.layers[-1].weight)}
        plain = ReluNetwork(layers=self._text(), tasks=tasks, input_shape=self.shape)
        made = ConvertedNetwork(
            plain, steps=self.steps, encoding="constant", reset=neuron.reset, input_shape=self.shape
        )
        with torch.no_grad():
            for own, layer in zip(made.weighted(), self.layers, strict=True):
                own.weight.copy_(layer.weight.view_as(own.weight) / neuron.threshold)
                own.bias.copy_(layer.bias / neuron.threshold)
        return made.eval()

    def _input(self, name: str, node: Any) -> None:
        self.shape = tuple(int(side) for side in node.input_type["input"])
        if len(self.shape) != 3:
            raise ConfigurationError(f"node {name!r} takes inputs of shape {self.shape}; give images (C, H, W)")

    def _convolution(self, name: str, node: Any) -> None:
        rows, columns = node.weight.shape[2:]
        padding = (0, 0) if isinstance(node.padding, str) else tuple(int(side) for side in node.padding)
        if isinstance(node.padding, str) and node.padding == "same":
            padding = (rows // 2, columns // 2)
        plain = (np.array(node.stride) == 1).all() and (np.array(node.dilation) == 1).all() and int(node.groups) == 1
        if rows != columns or padding[0] != padding[1] or not plain:
            raise ConfigurationError(
                f"node {name!r}, a Conv2d of {rows} x {columns} with padding {padding}: windows and padding have to be square, "
                "without stride, dilation or groups"
            )
        text = f"{len(node.weight)}C{rows}" + (f"p{padding[0]}" if padding[0] else "")
        self.layers.append(_Read(text, torch.tensor(node.weight), torch.tensor(node.bias)))

    def _linear(self, name: str, node: Any) -> None:
        weight = torch.tensor(node.weight)
        self.layers.append(_Read(str(len(weight)), weight, torch.zeros(len(weight))))

    def _affine(self, name: str, node: Any) -> None:
        self.layers.append(_Read(str(len(node.weight)), torch.tensor(node.weight), torch.tensor(node.bias)))

    def _pool(self, name: str, node: Any) -> None:
        sizes = {int(side) for side in (*np.array(node.kernel_size).flat, *np.array(node.stride).flat)}
        if len(sizes) != 1 or np.array(node.padding).any():
            raise ConfigurationError(
                f"node {name!r}: poolings have to be square, as far apart as they are wide, without padding"
            )
        self.pools.setdefault(len(self.layers), []).append(sizes.pop())

    def _current_based(self, name: str, node: Any) -> None:
        tau_s, tau_m, threshold = (
            _same(name, key, getattr(node, key)) for key in ("tau_syn", "tau_mem", "v_threshold")
        )
        _require(name, "v_leak", node.v_leak, 0.0)
        _require(name, "v_reset", node.v_reset, 0.0)
        _require(name, "r", node.r, tau_m / STEP)
        _require(name, "w_in", node.w_in, tau_s / STEP)
        self.neurons.append(Neuron(tau_m=_steps(tau_m), tau_s=_steps(tau_s), threshold=threshold, version="published"))

    def _integrating(self, name: str, node: Any) -> None:
        threshold = _same(name, "v_threshold", node.v_threshold)
        _require(name, "v_reset", node.v_reset, 0.0)
        _require(name, "r", node.r, 1 / STEP)
        self.neurons.append(IntegrateAndFire(threshold, "zero"))


def _steps(seconds: float) -> float:
    return round(seconds / STEP, 4)  # float32 has seven digits


def _same(name: str, key: str, values: Any) -> float:
    """The value that all of a node's neurons have."""
    found = np.unique(values)
    if len(found) != 1:
        raise ConfigurationError(
            f"node {name!r}: {key} differs between its neurons ({found[0]} to {found[-1]}); all have to be alike"
        )
    return float(found[0])


def _require(name: str, key: str, values: Any, wanted: float) -> None:
    found = _same(name, key, values)
    if not np.isclose(found, wanted, rtol=1e-4):
        raise ConfigurationError(
            f"node {name!r}: {key}={found:g}, and neurons here have {wanted:g} (steps of {STEP:g} s)"
        )
