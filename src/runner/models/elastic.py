"""Deep Elastic Networks: Ahn, Kim and Oh, "Deep Elastic Networks with Model Selection for Multi-Task Learning", ICCV 2019.

Here over residual blocks, as AdaShare (Sun et al. 2020) compares with it: models/base.py in github.com/sunxm2357/AdaShare.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from itertools import chain
from math import ceil
from typing import cast

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from runner.batch import Inputs
from runner.evolution.slim import load
from runner.layers.task_norm import TaskNorm, alike
from runner.models import Routed
from runner.models.paths import Group, equal, passes
from runner.models.residual import Backbone, Block, draw, trainable

LEVELS = (1.0, 0.5, 0.25, 0.0)  # shares of a block's middle channels that a task can have


class Elastic(Routed):
    """Deeplab-ResNet of the sizes of `backbone`, of whose blocks each task has the first middle channels, as many as its share.

    Networks of fewer channels lie inside those of more. Batch norm has running averages of each task: with another number of
    channels behind them they are others.
    """

    def __init__(
        self, *, backbone: Callable[[], Backbone], tasks: Mapping[str, int], input_shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        sizes, norm = backbone(), partial(TaskNorm, tasks=len(tasks))
        self.stem = sizes.stem(input_shape[0], norm)
        self.blocks = nn.ModuleList(block for stage in sizes.stages(norm) for block in stage)
        self.heads = sizes.heads(tasks)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every weight afresh, as `residual.draw`."""
        draw(self, (self.stem, self.blocks))

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of stem and blocks."""
        return trainable((self.stem, self.blocks))

    def reduced(self, gates: Tensor) -> "Elastic":
        """A copy without the channels that no task has under `gates`; with these gates it predicts the same.

        Every block keeps the most channels that a task has of it, for those of the others lie inside.
        """
        state = self.state_dict()
        for number, (block, share) in enumerate(zip(self.blocks, gates.amax(0).tolist(), strict=True)):
            assert isinstance(block, Block)
            first, norm, _, second, *_ = block.body
            channels, prefix = middle_channels(block, share), f"blocks.{number}.body"
            state[f"{prefix}.0.weight"] = _weight(first)[:channels]
            state |= {f"{prefix}.1.{name}": value for name, value in _leading(norm, channels).items()}
            state[f"{prefix}.3.weight"] = _weight(second)[:, :channels]
        copy = deepcopy(self)
        load(copy, state)
        return copy

    def forward(self, inputs: Inputs, gates: Tensor | None = None, closed: int = 0) -> dict[str, Tensor]:
        """Predict every task from images (B, C, H, W): {task: (B, outputs, h, w)} at an eighth of the resolution.

        `gates` (tasks, blocks) are shares in [0, 1] of a block's middle channels, in the order of the heads. Channels that no
        task has are not computed, and tasks go together until their shares differ.
        """
        assert isinstance(inputs, Tensor)
        shares = [[1.0] * len(self.blocks)] * len(self.heads) if gates is None else gates.tolist()
        groups = []
        for tasks in alike(self.stem, range(len(self.heads))):
            with passes(self.stem, [tasks], 0):
                groups.append(Group(tasks, self.stem(inputs)))
        for number, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            groups = _advance(block, groups, [1.0 if number < closed else row[number] for row in shares])
        features = {task: group.x for group in groups for task in group.tasks}
        return self.heads.each([features[number] for number in range(len(self.heads))])


def _advance(block: Block, groups: Sequence[Group], shares: Sequence[float]) -> list[Group]:
    """Take every group through one block; tasks part where their shares or, in evaluation, their statistics differ."""
    groups = [Group(tasks, group.x) for group in groups for tasks in alike(block, group.tasks)]
    passed = []
    for index, group in enumerate(groups):
        with passes(block.shortcut, [other.tasks for other in groups], index):
            passed.append(block.shortcut(group.x))
    parts = [(index, tasks) for index, group in enumerate(groups) for tasks in equal(group.tasks, shares)]
    advanced = []
    for place, (index, tasks) in enumerate(parts):
        with passes(block.body, [others for _, others in parts], place):
            executed = narrowed(block, groups[index].x, passed[index], shares[tasks[0]])
        advanced.append(Group(tasks, F.relu_(passed[index] + executed)))
    return advanced


def narrowed(block: Block, x: Tensor, passed: Tensor, share: float) -> Tensor:
    """What a body makes of `x` where all but the first of its middle channels are 0 behind the first batch norm.

    These are `share` of them, rounded up. The others are left out of both convolutions, which is the same; their running
    averages stay. With none of them the block is what its last batch norm makes of nothing. `passed` is `x` behind the shortcut.
    """
    first, norm, rectifier, second, *rest = block.body
    channels = middle_channels(block, share)
    if channels == 0:
        found = passed.new_zeros(len(x), _weight(second).shape[0], *passed.shape[2:])
    elif channels == len(_weight(first)):
        return cast(Tensor, block.body(x))
    else:
        found = functional_call(first, {"weight": _weight(first)[:channels]}, (x,))
        found = rectifier(functional_call(norm, _leading(norm, channels), (found,)))
        found = functional_call(second, {"weight": _weight(second)[:, :channels]}, (found,))
    for module in rest:
        found = module(found)
    return found


def middle_channels(block: Block, share: float) -> int:
    """How many of a block's channels between its first two convolutions `share` of them are, rounded up, or all that are left."""
    return min(ceil(share * block.width), len(_weight(block.body[0])))


def _weight(convolution: nn.Module) -> Tensor:
    """Its weight, which has no values and is no parameter where a network's costs are counted."""
    weight = convolution.weight
    assert isinstance(weight, Tensor)
    return weight


def _leading(norm: nn.Module, channels: int) -> dict[str, Tensor]:
    """Weights and running averages of the first channels, which lie along the last dimension; views of those of `norm`."""
    everything = chain(norm.named_parameters(), norm.named_buffers())
    return {name: value[..., :channels] for name, value in everything if value.dim()}
