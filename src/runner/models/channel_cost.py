"""What passes through an elastic network cost whose tasks have shares of its blocks' channels."""

import torch
from torch import Tensor

from runner.models.elastic import Elastic, middle_channels, narrowed
from runner.models.residual import Block
from runner.policies.block_cost import Cost, macs, parameters, skeleton


def channel_costs(network: Elastic, example: Tensor, shares: Tensor) -> tuple[list[Cost], int, Cost]:
    """Of each task's own pass from the input to its head under `shares` (K, L), for inputs like `example` (B, C, H, W).

    Then the parameters that all of them have together, channels of one block lying inside each other, and the cost of a pass
    with all channels. Nothing is computed on real numbers.
    """
    bones, x = skeleton(network), torch.empty_like(example[:1], device="meta")
    assert isinstance(bones, Elastic)
    stem = Cost(macs(bones.stem, x), parameters(bones.stem))
    rows = [*shares.tolist(), shares.amax(0).tolist(), [1.0] * shares.shape[1]]
    found = [[stem] for _ in rows]
    with torch.no_grad():
        x = bones.stem(x)
        for number, block in enumerate(bones.blocks):
            assert isinstance(block, Block)
            costs = {share: _cost(block, x, share) for share in {row[number] for row in rows}}
            for row, parts in zip(rows, found, strict=True):
                parts.append(costs[row[number]])
            x = block(x)
    *passes, together, whole = (Cost(*map(sum, zip(*parts, strict=True))) for parts in found)
    return passes, int(together.parameters), whole


def _cost(block: Block, x: Tensor, share: float) -> Cost:
    """Of a block that has `share` of its middle channels, its shortcut with it."""
    passed = block.shortcut(x)
    multiplied = macs(block.shortcut, x) + macs(lambda x: narrowed(block, x, passed, share), x)
    first, norm, _, second, *rest = block.body
    channels, width = middle_channels(block, share), middle_channels(block, 1.0)
    narrow = sum(parameters(module) for module in (first, norm, second)) * channels // width
    return Cost(multiplied, parameters(block.shortcut) + narrow + sum(parameters(module) for module in rest))
