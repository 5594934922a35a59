"""What a network costs: parameters, multiply-accumulates, and operations as Knowledge Evolution counts them."""

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from runner.layers.modes import evaluation


def parameters(model: nn.Module) -> int:
    """Number of parameters; masks are none of them (the official code counts them in: about twice as many)."""
    return sum(parameter.numel() for parameter in model.parameters())


@torch.no_grad()
def macs(model: nn.Module, example: Any) -> int:
    """Multiply-accumulates of convolutions and products in one forward pass on `example`, a tensor or a tuple."""
    arguments = example if isinstance(example, tuple) else (example,)
    with evaluation(model), FlopCounterMode(display=False) as counter:
        model(*arguments)
    return int(counter.get_total_flops()) // 2


@torch.no_grad()
def latency(model: nn.Module, example: Tensor, batch: int, repeats: int = 5) -> float:
    """Seconds of one forward pass on `batch` copies of `example` (1, ...), the least of `repeats` after a first."""
    inputs = example.expand(batch, *example.shape[1:]).contiguous()
    seconds = []
    with evaluation(model):
        for _ in range(repeats + 1):
            begun = time.perf_counter()
            model(inputs)
            if inputs.device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begun)
    return min(seconds[1:])


@torch.no_grad()
def operations(model: nn.Module, example: Any) -> int:
    """Operations of one forward pass as Knowledge Evolution counts them (the "#Ops" of its tables).

    Additions, concatenations, dropout and adaptive pooling count nothing.
    """
    arguments = example if isinstance(example, tuple) else (example,)
    counted: list[int] = []

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        counted.append(output.numel() * _per_output(module))

    hooks = [module.register_forward_hook(count) for module in model.modules() if _per_output(module)]
    try:
        with evaluation(model):
            model(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counted)


def _per_output(module: nn.Module) -> int:
    """Operations per output element; pooling takes the side of its window for its area, as the official code does."""
    match module:
        case nn.Conv2d():
            return 2 * module.weight[0].numel() - (module.bias is None)
        case nn.Linear():
            return 2 * module.in_features - 1
        case nn.BatchNorm2d():
            return 2
        case nn.ReLU() | nn.ReLU6():
            return 1
        case nn.MaxPool2d(kernel_size=int(side)):
            return side - 1
        case nn.AvgPool2d(kernel_size=int(side)):
            return side
    return 0
