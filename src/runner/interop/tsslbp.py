"""Official TSSL-BP checkpoints: the layer dictionary of a network and its `my_parameters`."""

import ast
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from runner.errors import CheckpointError, ConfigurationError
from runner.interop.state import Source, load_state
from runner.models.snn_layers import Convolution, Linear, Pool, Spec, join
from runner.models.spiking import Spiking, SpikingStack, build
from runner.spiking.dynamics import POOL_WEIGHT, Neuron
from runner.spiking.words import Version

Layers = Mapping[str, Mapping[str, Any]]


def tsslbp(
    path_or_state_dict: Source,
    layers: Layers | str,
    tau_m: float,
    tau_s: float,
    steps: int,
    version: Version = "released",
) -> nn.Module:
    """The official network with its weights, in evaluation mode.

    `layers` is the official layer dictionary (`Layers` of the network's YAML file), or the text of it as a Python literal.
    The module takes images (B, C, H, W), shown for `steps` steps, or inputs over time (T, B, C, H, W), and returns the
    postsynaptic currents of the last layer (T, B, classes). `version` is the rule of its gradient; predictions do not depend
    on it. Raises ConfigurationError for layers that the official code does not know, CheckpointError where names or shapes
    do not fit.
    """
    if not isinstance(steps, int) or steps < 1:
        raise ConfigurationError(f"steps={steps!r} is not a whole number from 1")
    specs, thresholds, dropout = _specs(_literal(layers) if isinstance(layers, str) else layers)
    neuron = Neuron(tau_m=tau_m, tau_s=tau_s, version=version)
    stack = SpikingStack(build(specs, neuron, dropout, dropout_rows=True), neuron, steps)
    spiking = [layer for layer in stack if isinstance(layer, Spiking)]
    for layer, threshold in zip(spiking, thresholds, strict=True):
        layer.neuron = Neuron(tau_m=tau_m, tau_s=tau_s, threshold=threshold, version=version)
    _load(spiking, load_state(path_or_state_dict, "net"))
    return stack.eval()


def _literal(text: str) -> Layers:
    try:
        found = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError(
            f"layers={text!r} is not a dictionary; give the official one, {{'name': {{'type': 'conv', ...}}, ...}}"
        )
    return found


def _specs(layers: Layers) -> tuple[list[Spec], list[float], list[float]]:
    """What `layers` asks for: layers, the thresholds of the spiking ones, and the dropout that follows each."""
    specs: list[Spec] = []
    thresholds: list[float] = []
    dropout: list[float] = []
    for name, layer in layers.items():
        kind = layer.get("type")
        try:
            if kind == "conv":
                specs.append(_convolution(layer))
                thresholds.append(float(layer["threshold"]))
            elif kind == "linear":
                specs.append(Linear(inputs=layer["n_inputs"], neurons=layer["n_outputs"]))
                thresholds.append(float(layer["threshold"]))
            elif kind == "pooling":
                size = _pool_size(name, layer)
                if dropout and dropout[-1]:
                    specs.append(Pool(size=size))  # what is dropped before the windows are summed
                else:
                    join(specs, size)
            elif kind == "dropout" and specs and not isinstance(specs[-1], Pool):
                dropout[-1] = float(layer.get("p", 0.5))
            else:
                raise ConfigurationError(
                    f"layers[{name!r}]: {kind!r} cannot stand here; use conv, pooling, linear or, after conv or linear, dropout"
                )
        except KeyError as error:
            raise ConfigurationError(f"layers[{name!r}]: a layer of type {kind} needs {error}") from None
        dropout += [0.0] * (len(specs) - len(dropout))
    return specs, thresholds, dropout


def _convolution(layer: Mapping[str, Any]) -> Convolution:
    return Convolution(
        in_channels=layer["in_channels"],
        channels=layer["out_channels"],
        kernel=_pair(layer["kernel_size"]),
        padding=_pair(layer.get("padding", 0)),
        stride=_pair(layer.get("stride", 1)),
        dilation=_pair(layer.get("dilation", 1)),
    )


def _pool_size(name: str, layer: Mapping[str, Any]) -> int:
    height, width = _pair(layer["kernel_size"])
    plain = {"stride": (height, width), "padding": (0, 0), "dilation": (1, 1), "theta": (POOL_WEIGHT, POOL_WEIGHT)}
    for key, value in plain.items():
        if key in layer and _pair(layer[key]) != value:
            raise ConfigurationError(
                f"layers[{name!r}]: {key}={layer[key]} is not supported for pooling, only {value[0]}"
            )
    if height != width:
        raise ConfigurationError(
            f"layers[{name!r}]: kernel_size={layer['kernel_size']} is not supported, only square windows"
        )
    return height


def _pair(value: Any) -> tuple[Any, Any]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)  # type: ignore[return-value]


def _load(layers: list[Spiking], state: Mapping[str, Tensor]) -> None:
    expected = [f"my_parameters.{index}" for index in range(len(layers))]
    if set(state) != set(expected):
        raise CheckpointError(f"the state holds {', '.join(state)}, the layers need {', '.join(expected)}")
    for name, layer in zip(expected, layers, strict=True):
        value = state[name].squeeze(-1) if state[name].dim() == 5 else state[name]  # kernels have a time dimension of 1
        if value.shape != layer.weight.shape:
            raise CheckpointError(f"'{name}' has shape {tuple(value.shape)}, its layer {tuple(layer.weight.shape)}")
        with torch.no_grad():
            layer.weight.copy_(value)
