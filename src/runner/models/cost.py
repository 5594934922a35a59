"""What a network costs: parameters, multiply-accumulates, operations as Knowledge Evolution counts them, seconds."""

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from math import inf
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from runner.batch import Inputs, each, first
from runner.layers.kinds import BatchNorm, Layer, Transposed
from runner.layers.modes import arguments, evaluation
from runner.models import Heads
from runner.models.spiking import Spiking
from runner.models.spiking_model import SpikingModel

BATCHES = (1, 32)  # samples of the passes that are timed
BUDGET = 1.0  # seconds of the passes that are timed without being asked for, less one
_ROUNDS, _ENOUGH = 5, 20.0  # turns in which several are timed, and seconds after which no further one begins


def costs(network: nn.Module, example: Inputs, *, axis: int = 0, latency: bool = True) -> dict[str, float]:
    """What `network` costs for one sample, on its own device: `parameters`, `macs`, and of the following what there is.

    `example` are the inputs of one sample, which lies along `axis` of them. `backbone_parameters` and `backbone_macs` leave
    out the network's `Heads`. `operations` are Knowledge Evolution's, where the network has layers that it counts. With
    `latency`, `seconds_batch1` and `seconds_batch32` are those of a pass in evaluation mode, where it takes no longer than
    `BUDGET`.
    """
    device = next(network.parameters()).device
    example = each(example, lambda own: own.to(device))
    whole, in_heads = _macs(network, example)
    found: dict[str, float] = {"parameters": parameters(network), "macs": whole}
    heads = _heads(network)
    if heads:
        own = {parameter for head in heads for parameter in head.parameters()}
        found["backbone_parameters"] = found["parameters"] - sum(parameter.numel() for parameter in own)
        found["backbone_macs"] = whole - in_heads
    if counted := operations(network, example):
        found["operations"] = counted
    if latency:
        one = seconds(network, example, 1, axis, budget=BUDGET)
        quick = [batch for batch in BATCHES if batch * one <= BUDGET]
        found |= {
            f"seconds_batch{batch}": one if batch == 1 else seconds(network, example, batch, axis, budget=BUDGET)
            for batch in quick
        }
    return found


def parameters(model: nn.Module) -> int:
    """Number of parameters; masks are none of them (the official code counts them in: about twice as many)."""
    return sum(parameter.numel() for parameter in model.parameters())


def macs(model: nn.Module, example: Any) -> int:
    """Multiply-accumulates of convolutions and products in one forward pass on `example`, a tensor or a tuple.

    A spiking network's are those of all its steps, with every value multiplied, whether a neuron fired or not.
    """
    return _macs(model, example)[0]


@torch.no_grad()
def without_zeros(model: nn.Module, example: Any) -> tuple[int, int | None]:
    """`parameters` and `macs` less the weights of layers that are zero, and less products with them.

    None in place of the latter where a spiking layer has zeros: how often it takes which weight is its own affair.
    """
    products: list[int] = []

    def note(layer: Layer, inputs: Any, output: Tensor) -> None:
        places = inputs[0] if isinstance(layer, Transposed) else output
        products.append(places.numel() // layer.weight.shape[0] * zeros(layer.weight))

    def zeros(weight: Tensor) -> int:
        return weight.numel() - int(weight.count_nonzero())

    layers = [module for module in model.modules() if isinstance(module, Layer)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with evaluation(model):
            model(*arguments(example))
    finally:
        for hook in hooks:
            hook.remove()
    spiking = [module.weight for module in model.modules() if isinstance(module, Spiking)]
    weights = {id(weight): weight for weight in [*spiking, *(layer.weight for layer in layers)]}  # shared ones once
    left = parameters(model) - sum(map(zeros, weights.values()))
    return left, None if any(map(zeros, spiking)) else macs(model, example) - sum(products)


def _heads(model: nn.Module) -> list[nn.Module]:
    return [head for module in model.modules() if isinstance(module, Heads) for head in module.values()]


@torch.no_grad()
def _macs(model: nn.Module, example: Any) -> tuple[int, int]:
    """Multiply-accumulates of a whole pass, and those of them that the heads take."""
    if any(isinstance(module, Spiking | SpikingModel) for module in model.modules()):
        # in float32 they leave out what is zero, unseen by the counter
        model, example = deepcopy(model).double(), tuple(argument.double() for argument in arguments(example))
    heads, in_heads = _heads(model), list[int]()
    with evaluation(model), FlopCounterMode(display=False) as counter:
        hooks = [
            head.register_forward_pre_hook(lambda *_: in_heads.append(-counter.get_total_flops())) for head in heads
        ]
        hooks += [head.register_forward_hook(lambda *_: in_heads.append(counter.get_total_flops())) for head in heads]
        try:
            model(*arguments(example))
        finally:
            for hook in hooks:
                hook.remove()
    return counter.get_total_flops() // 2, sum(in_heads) // 2


@torch.no_grad()
def seconds(
    model: nn.Module, example: Inputs, batch: int, axis: int = 0, repeats: int = 5, budget: float = inf
) -> float:
    """Seconds of one forward pass on `batch` copies of `example`, one sample that lies along `axis` of it.

    The least of `repeats` passes after a first, or of as many as begin within `budget` seconds, at least one.
    """
    sides = [batch if dim == axis else -1 for dim in range(first(example).dim())]
    inputs = each(example, lambda own: own.expand(*sides).contiguous())
    taken: list[float] = []
    with evaluation(model):
        while len(taken) < 2 or (len(taken) <= repeats and sum(taken) < budget):
            begun = time.perf_counter()
            model(inputs)
            if first(inputs).device.type == "cuda":
                torch.cuda.synchronize()
            taken.append(time.perf_counter() - begun)
    return min(taken[1:])


def in_turns(timed: Sequence[Callable[[], float]]) -> list[float]:
    """The least seconds that each says in several turns of all of them, which a busy machine slows alike."""
    fastest, end = [inf] * len(timed), time.monotonic() + _ENOUGH
    for turn in range(_ROUNDS):
        if turn > 0 and time.monotonic() > end:
            break
        fastest = [min(least, taken()) for least, taken in zip(fastest, timed, strict=True)]
    return fastest


@torch.no_grad()
def operations(model: nn.Module, example: Any) -> int:
    """Operations of one forward pass as Knowledge Evolution counts them (the "#Ops" of its tables).

    Additions, concatenations, dropout and adaptive pooling count nothing.
    """
    counted: list[int] = []

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        counted.append(output.numel() * _per_output(module))

    hooks = [module.register_forward_hook(count) for module in model.modules() if _per_output(module)]
    try:
        with evaluation(model):
            model(*arguments(example))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counted)


def _per_output(module: nn.Module) -> int:
    """Operations per output element; pooling takes the side of its window for its area, as the official code does."""
    match module:
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            return 2 * module.weight.shape[1:].numel() - (module.bias is None)
        case nn.Linear():
            return 2 * module.in_features - 1
        case BatchNorm():
            return 2
        case nn.ReLU() | nn.ReLU6():
            return 1
        case nn.MaxPool2d(kernel_size=int(side)):
            return side - 1
        case nn.AvgPool2d(kernel_size=int(side)):
            return side
    return 0
