"""Chains of nodes as networks, or what of them no network here has."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from runner.errors import ConfigurationError
from runner.interop.nir.writing import STEP
from runner.models.converted import ConvertedNetwork, IntegrateAndFire
from runner.models.relu import ReluNetwork
from runner.models.snn import SpikingNetwork
from runner.models.spiking_model import SpikingModel
from runner.spiking.dynamics import POOL_WEIGHT, Neuron
from runner.spiking.rules import GradientRule


def chain(found: Any, entrance: type) -> Iterator[tuple[str, Any]]:
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


class Reading:
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
        """The network of all nodes; refuses what none has."""
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
