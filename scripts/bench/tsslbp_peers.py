"""Other people's code that tsslbp.py times, where it is installed: each builder returns one training step as a function."""

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tsslbp_variants import CLASSES, RATE, Step, data, settings, specs_of, wait

from runner.models.snn_layers import Convolution, Linear

Neurons = Callable[[Tensor], Tensor]  # currents (T, B, ...) -> spikes (T, B, ...)


def official(network: Any, device: str) -> Step:
    """The authors' network and step, as their main.py runs it."""
    folder = os.environ.get("RUNNER_OFFICIAL_TSSLBP")
    if not folder:
        raise ImportError("RUNNER_OFFICIAL_TSSLBP does not name a checkout of stonezwr/TSSL-BP")
    sys.path.insert(0, folder)
    if device == "cpu":
        torch.Tensor.cuda = nn.Module.cuda = lambda self, *_: self  # type: ignore[method-assign, assignment]  # called everywhere
    globals_, networks, losses = (importlib.import_module(name) for name in ("global_v", "cnns", "functions.loss_f"))
    options, steps = settings(network), network.steps
    tau_m, tau_s = (_released(options[name]) for name in ("tau_m", "tau_s"))
    globals_.init(steps, tau_s)
    config = {"n_steps": steps, "n_class": CLASSES, "rule": "TSSLBP", "model": "LIF", "tau_m": tau_m, "tau_s": tau_s}
    config |= {"desired_count": steps / 2, "undesired_count": steps / 10}
    layers = _official_layers(network, options)
    with contextlib.redirect_stdout(io.StringIO()):
        model, error = networks.Network(config, layers, list(network.shape)), losses.SpikeLoss(config)
    optimizer = torch.optim.AdamW(model.get_parameters(), lr=RATE, betas=(0.9, 0.999))
    inputs, labels = data(network, device)
    if network.events:
        inputs = inputs.movedim(0, -1).contiguous()

    def step() -> None:
        model.train()
        images = inputs if network.events else inputs.unsqueeze(-1).repeat(1, 1, 1, 1, steps)
        outputs = model.forward(images, 0, True)
        if network.loss == "kernel":
            loss = error.spike_kernel(outputs, _official_target(losses, labels, config), config)
        else:
            targets = torch.full((*outputs.shape[:2], 1, 1), config["undesired_count"], device=device)
            for index, label in enumerate(labels):
                targets[index, label] = config["desired_count"]
            loss = error.spike_count(outputs, targets, config, None)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.get_parameters(), 1)
        optimizer.step()
        model.weight_clipper()
        wait(device)

    return step


def _released(value: Any) -> float:
    return float(value["released"] if isinstance(value, dict) else value)


def _official_layers(network: Any, options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    layers: dict[str, dict[str, Any]] = {}
    specs = specs_of(network)
    for number, spec in enumerate(specs):
        if isinstance(spec, Convolution):
            layers[f"conv_{number}"] = {
                "type": "conv",
                "in_channels": spec.in_channels,
                "out_channels": spec.channels,
                "kernel_size": spec.kernel[0],
                "padding": spec.padding[0],
                "weight_scale": options["weight_scale"],
                "threshold": 1,
            }
            if spec.pool > 1:
                layers[f"pool_{number}"] = {"type": "pooling", "kernel_size": spec.pool}
        elif isinstance(spec, Linear):
            layers[f"linear_{number}"] = {
                "type": "linear",
                "n_inputs": spec.inputs,
                "n_outputs": spec.neurons,
                "threshold": 1,
            }
        if options["dropout"] and number + 1 < len(specs):
            layers[f"dropout_{number}"] = {"type": "dropout", "p": options["dropout"]}
    return layers


def _official_target(losses: ModuleType, labels: Tensor, config: dict[str, Any]) -> Tensor:
    train = torch.tensor([0, 1, 1, 1, 1], device=labels.device).view(1, 1, 1, 1, 5)
    wanted = losses.psp(train, config).view(1, 1, 1, 5)
    targets = torch.zeros(len(labels), CLASSES, 1, 1, config["n_steps"], device=labels.device)
    for index, label in enumerate(labels):
        targets[index, label, ...] = wanted
    return targets


class Peer(nn.Module):
    """The topology with a library's neurons; (T, B, C, H, W) -> spikes of the output layer (T, B, classes)."""

    def __init__(self, network: Any, neurons: Callable[[], Neurons]) -> None:
        super().__init__()
        self.specs = specs_of(network)
        self.weights = nn.ModuleList(
            nn.Conv2d(spec.in_channels, spec.channels, spec.kernel, padding=spec.padding, bias=False)
            if isinstance(spec, Convolution)
            else nn.Linear(spec.inputs, spec.neurons, bias=False)  # type: ignore[union-attr]  # no bare pooling here
            for spec in self.specs
        )
        self.neurons = [neurons() for _ in self.specs]
        self.dropout = settings(network)["dropout"]

    def forward(self, values: Tensor) -> Tensor:
        """Every weight folds time into the batch."""
        shape = values.shape[:2]
        for number, (spec, weight, neurons) in enumerate(zip(self.specs, self.weights, self.neurons, strict=True)):
            folded = values.flatten(0, 1)
            current = weight(folded if isinstance(spec, Convolution) else folded.flatten(1))
            values = neurons(current.unflatten(0, shape))
            if isinstance(spec, Convolution) and spec.pool > 1:
                values = F.avg_pool2d(values.flatten(0, 1), spec.pool).unflatten(0, shape)
            if self.dropout and number + 1 < len(self.specs):
                values = values * F.dropout(torch.ones_like(values[0]), self.dropout)
        return values


def _step(network: Any, device: str, neurons: Callable[[], Neurons]) -> Step:
    model = Peer(network, neurons).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)
    inputs, labels = data(network, device)
    wanted = F.one_hot(labels, CLASSES).float()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        images = inputs if network.events else inputs.unsqueeze(0).repeat(network.steps, 1, 1, 1, 1)
        F.mse_loss(model(images).mean(0), wanted).backward()
        optimizer.step()
        wait(device)

    return step


def spikingjelly(network: Any, device: str) -> Step:
    """SpikingJelly's LIFNode in its multi-step mode."""
    functional, neuron, surrogate = (
        importlib.import_module(f"spikingjelly.activation_based.{name}")
        for name in ("functional", "neuron", "surrogate")
    )

    def neurons() -> Neurons:
        node = neuron.LIFNode(tau=5.0, surrogate_function=surrogate.ATan(), step_mode="m")

        def from_rest(currents: Tensor) -> Tensor:
            functional.reset_net(node)
            return node(currents)

        return from_rest

    return _step(network, device, neurons)


def snntorch(network: Any, device: str) -> Step:
    """snnTorch's Leaky, which knows single steps only."""
    library = importlib.import_module("snntorch")

    def neurons() -> Neurons:
        node = library.Leaky(beta=0.8, spike_grad=library.surrogate.atan())

        def over_time(currents: Tensor) -> Tensor:
            membrane, spikes = node.reset_mem(), []
            for current in currents:
                spike, membrane = node(current, membrane)
                spikes.append(spike)
            return torch.stack(spikes)

        return over_time

    return _step(network, device, neurons)


def norse(network: Any, device: str) -> Step:
    """Norse's LIF over sequences."""
    library = importlib.import_module("norse.torch")

    def neurons() -> Neurons:
        node = library.LIF()
        return lambda currents: node(currents)[0]

    return _step(network, device, neurons)


BUILDERS: dict[str, Callable[[Any, str], Step]] = {
    "official": official,
    "spikingjelly": spikingjelly,
    "snntorch": snntorch,
    "norse": norse,
}
