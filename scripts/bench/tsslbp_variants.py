"""Our own variants that tsslbp.py times: each builder returns one training step as a function."""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import Tensor, nn

from runner.configuration.composition import VERSION_BASE
from runner.configuration.construct import construct_model
from runner.device import keep_freed_memory
from runner.models.snn import SpikingNetwork
from runner.models.snn_layers import Convolution, Linear, Spec, parse
from runner.spiking import count_loss, kernel_loss

CLASSES = 10
RATE = 5e-4
CONFIGURATION = Path(__file__).resolve().parents[2] / "conf"
Step = Callable[[], object]


def settings(network: Any, gradient: str = "tssl") -> dict[str, Any]:
    """What the command would make of the network's file in conf/model with this gradient rule."""
    with initialize_config_dir(str(CONFIGURATION), **VERSION_BASE):
        model = compose(overrides=[f"+model={network.model}", f"model/gradient={gradient}"])
        composed = OmegaConf.to_container(model, resolve=True)
    assert isinstance(composed, dict)
    return dict(composed["model"])


def data(network: Any, device: str) -> tuple[Tensor, Tensor]:
    """Fixed inputs and labels (B,): images (B, C, H, W) with a share of ink, or events (T, B, C, H, W) of which 2 % are set."""
    generator = torch.Generator().manual_seed(1)
    if network.events:
        inputs = (torch.rand(network.steps, network.batch, *network.shape, generator=generator) < 0.02).float()
    else:
        pixels, drawn = (torch.rand(network.batch, *network.shape, generator=generator) for _ in range(2))
        inputs = (torch.where(drawn < network.ink, pixels, 0) - 0.1307) / 0.3081  # as MNIST's are normalised
    return inputs.to(device), torch.randint(CLASSES, (network.batch,), generator=generator).to(device)


def training_step(parameters: list[nn.Parameter], loss: Callable[[], Tensor], device: str) -> Step:
    """Gradient, clip, AdamW, clamp: the authors' step around `loss`."""
    optimizer = torch.optim.AdamW(parameters, lr=RATE, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        with torch.no_grad():
            for parameter in parameters:
                parameter.clamp_(-4, 4)
        wait(device)

    return step


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def build(network: Any, gradient_dtype: str = "float32", gradient: str = "tssl") -> SpikingNetwork:
    """The runner's network, its initial weights times the row's gains."""
    steps = None if network.events else network.steps
    node = settings(network, gradient) | {"gradient_dtype": gradient_dtype, "steps": steps}
    for key in ("tau_m", "tau_s"):  # of TSSL-BP's released version with every rule, so that as many neurons fire
        node[key] = node[key]["released"] if isinstance(node[key], dict) else node[key]
    shape = (network.steps, *network.shape) if network.events else network.shape
    model = construct_model(node, {"label": CLASSES}, shape)
    assert isinstance(model, SpikingNetwork)
    with torch.no_grad():
        for weight, gain in zip(model.parameters(), network.gains or itertools.repeat(1.0), strict=False):
            weight.mul_(gain)
    return model


def activity(network: Any) -> str:
    """The share of what each layer gives to the next weights that is not zero, before the first step."""
    torch.manual_seed(0)
    shares = []
    for spec, states in zip(specs_of(network), build(network).trace(data(network, "cpu")[0]).values(), strict=True):
        spikes, pool = states.spikes.flatten(0, 1), spec.pool if isinstance(spec, Convolution) else 1
        given = F.max_pool2d(spikes, pool) if pool > 1 else spikes
        shares.append(f"{100 * float(given.mean()):.1f} %")
    return ", ".join(shares)


def ours(network: Any, device: str, gradient_dtype: str = "float32", gradient: str = "tssl") -> Step:
    """The runner's network and losses."""
    keep_freed_memory()
    model = build(network, gradient_dtype, gradient).to(device)
    inputs, labels = data(network, device)

    def loss() -> Tensor:
        psc = model.psc(inputs)["label"]
        if network.loss == "kernel":
            return kernel_loss(psc, labels, tau_s=model.neuron.tau_s)
        return count_loss(psc, labels, desired=network.steps / 2, undesired=network.steps / 10)

    return training_step(list(model.parameters()), loss, device)


def specs_of(network: Any) -> list[Spec]:
    """All weighted and pooling layers, the output included."""
    specs, features = parse(settings(network)["layers"], network.shape)
    return [*specs, Linear(inputs=features, neurons=CLASSES)]


def floor(network: Any, device: str) -> Step:
    """Every convolution and product alone on its own inputs, forward and backward; the first needs no input gradient."""
    keep_freed_memory()
    folded, size = network.steps * network.batch, network.shape[1]
    parts: list[tuple[Callable[..., Tensor], Tensor, Tensor]] = []
    for number, spec in enumerate(specs_of(network)):
        if isinstance(spec, Convolution):
            values = torch.randn(folded, spec.in_channels, size, size).contiguous(memory_format=torch.channels_last)
            weight = torch.randn(spec.channels, spec.in_channels, *spec.kernel)
            function: Callable[..., Tensor] = partial(F.conv2d, padding=spec.padding)
            size = (size + 2 * spec.padding[0] - spec.kernel[0] + 1) // spec.pool
        elif isinstance(spec, Linear):
            values, weight, function = (
                torch.randn(folded, spec.inputs),
                torch.randn(spec.neurons, spec.inputs),
                F.linear,
            )
        values, weight = values.to(device).requires_grad_(number > 0), weight.to(device).requires_grad_()
        parts.append((function, values, weight))
    grads = [torch.randn_like(function(values, weight)) for function, values, weight in parts]

    def step() -> None:
        for (function, values, weight), grad in zip(parts, grads, strict=True):
            function(values, weight).backward(grad)
            values.grad = weight.grad = None
        wait(device)

    return step


BUILDERS: dict[str, Callable[[Any, str], Step]] = {
    "ours": ours,
    "bfloat16": partial(ours, gradient_dtype="bfloat16"),
    "stbp": partial(ours, gradient="stbp"),
    "floor": floor,
}
