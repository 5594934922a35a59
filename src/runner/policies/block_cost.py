"""What the blocks of a network cost, and what a policy that executes some of them costs per task.

AdaShare's own count is in utils/flops_benchmark.py; the main block of models/deeplab_resnet.py halves it to MACs.

A network here has a `stem` and a list of `blocks`, each with a `body` that a task may skip and a `shortcut` that every task
passes. Costs are multiply-accumulates (MACs) of convolutions and matrix products for one sample, and numbers of parameters.
"""

import copy
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


class Cost(NamedTuple):
    """MACs of one sample and parameters; whole numbers unless they are expectations."""

    macs: float
    parameters: float


class BlockCost(NamedTuple):
    """MACs of one sample and parameters of a block's two parts."""

    body_macs: int
    shortcut_macs: int
    body_parameters: int
    shortcut_parameters: int


def network_costs(model: nn.Module, example: Tensor) -> tuple[Cost, list[BlockCost]]:
    """Cost of the stem and of every block for inputs like `example` (B, C, H, W); nothing is computed on real numbers."""
    bones, x = skeleton(model), torch.empty_like(example[:1], device="meta")
    stem = bones.get_submodule("stem")
    stem_cost, x = Cost(macs(stem, x), parameters(stem)), stem(x)
    blocks = []
    for block in bones.get_submodule("blocks").children():
        body, shortcut = block.get_submodule("body"), block.get_submodule("shortcut")
        blocks.append(BlockCost(macs(body, x), macs(shortcut, x), parameters(body), parameters(shortcut)))
        x = block(x)
    return stem_cost, blocks


def block_costs(model: nn.Module, example: Tensor) -> list[BlockCost]:
    """Cost of every block for inputs like `example` (B, C, H, W)."""
    return network_costs(model, example)[1]


def policy_cost(costs: Sequence[BlockCost], stem: Cost, gates: Tensor) -> list[Cost]:
    """Cost of each task's own pass from the input to its head, for `gates` (K tasks, L blocks) of 1 = execute, 0 = skip.

    A pass is the stem, every shortcut and the bodies that its gates execute. Probabilities as gates give expectations; the
    largest gate of every block over the tasks, (1, L), gives the parameters that all of them hold together.
    """
    return [
        Cost(
            stem.macs + sum(cost.shortcut_macs + gate * cost.body_macs for cost, gate in zip(costs, row, strict=True)),
            stem.parameters
            + sum(
                cost.shortcut_parameters + gate * cost.body_parameters for cost, gate in zip(costs, row, strict=True)
            ),
        )
        for row in gates.tolist()
    ]


def skeleton(model: nn.Module) -> nn.Module:
    """A copy of `model` for evaluation that has shapes but no memory."""
    tensors = {id(t): torch.empty_like(t, device="meta") for t in chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, tensors).eval()


@torch.no_grad()
def macs(run: Callable[[Tensor], Tensor], x: Tensor) -> int:
    """Of what `run`, a module or a part of one, does with `x`."""
    with FlopCounterMode(display=False) as counter:
        run(x)
    return counter.get_total_flops() // 2


def parameters(module: nn.Module) -> int:
    """How many there are."""
    return sum(parameter.numel() for parameter in module.parameters())
