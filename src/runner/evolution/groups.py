"""Channels that can only be kept together, and which of them are kept."""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from math import ceil

import torch
from torch import Tensor

FIXED = 0  # the group of what is always kept: inputs, predictions, what meets all channels at once


def kept(split_rate: float, whole: int) -> int:
    """⌈split_rate · whole⌉ for the rate as written in decimals, so 0.55 of 100 is 55 although 0.55 * 100 > 55."""
    return ceil(Fraction(str(split_rate)) * whole)


class Groups:
    """Channels by number, joined into groups wherever they meet element by element; number 0 belongs to `FIXED`.

    Every channel has a maker, the layer whose output it is. All on the CPU.
    """

    def __init__(self) -> None:
        self._group = torch.zeros(1, dtype=torch.int64)  # of every channel: the smallest number among its own
        self._maker = torch.full((1,), -1)
        self._makers = 0
        self._parts: list[Tensor] = []  # channels that code cuts out of others

    def fresh(self, count: int) -> Tensor:
        """Numbers for the channels of a further maker, (count,), each a group of its own."""
        first = len(self._group)
        new = torch.arange(first, first + count)
        self._group = torch.cat([self._group, new])
        self._maker = torch.cat([self._maker, torch.full((count,), self._makers)])
        self._makers += 1
        return new

    def of(self, channels: Tensor) -> Tensor:
        """The groups of channels."""
        return self._group[channels]

    def fixed(self, channels: Tensor) -> bool:
        """Whether all of these are always kept."""
        return not bool(self.of(channels).any())

    def fix(self, channels: Tensor) -> None:
        """Keep these always."""
        self.join(channels, torch.zeros_like(channels))

    def join(self, left: Tensor, right: Tensor) -> None:
        """Let channels that stand at the same place be kept together; the shapes broadcast."""
        left, right = (each.flatten() for each in torch.broadcast_tensors(left, right))
        while True:
            ours, others = self.of(left), self.of(right)
            low, high = torch.minimum(ours, others), torch.maximum(ours, others)
            apart = low < high
            if not apart.any():
                return
            self._group = self._group.scatter_reduce(0, high[apart], low[apart], "amin")
            while not torch.equal(further := self._group[self._group], self._group):
                self._group = further

    def join_along(self, channels: Tensor, dim: int) -> bool:
        """Let what stands along a dimension be kept together, unless these are channels of one maker; whether that is so."""
        first = channels.narrow(dim, 0, 1)
        apart = self.of(channels) != self.of(first)
        if bool((apart & (self._maker[channels] == self._maker[first])).any()):
            return False
        self.join(channels, first)
        return True

    def several(self, channels: Tensor, dim: int) -> bool:
        """Whether along a dimension stand different channels of one maker, wherever they begin."""
        lines = channels.movedim(dim, -1).flatten(0, -2) if channels.dim() > 1 else channels[None]
        makers, groups = self._maker[lines], self.of(lines)
        order = (makers * len(self._group) + groups).argsort(dim=-1)
        makers, groups = makers.gather(-1, order), groups.gather(-1, order)
        same = (makers[:, 1:] == makers[:, :-1]) & (makers[:, 1:] >= 0)
        return bool((same & (groups[:, 1:] != groups[:, :-1])).any())

    def mark(self, channels: Tensor) -> None:
        """Note that code cuts these out of others, so that each part keeps its share."""
        self._parts.append(channels.unique())

    def keeping(self, split_rate: float, makers: Iterable[Tensor]) -> Tensor:
        """Which channels are kept, by number, bool; `makers` are the channels of each layer that makes some.

        Groups that lie in the same layers and parts, equally often, are told apart by their order alone: of these the first
        ⌈s_r·n⌉ are kept.
        """
        signs: dict[int, list[tuple[int, int]]] = defaultdict(list)
        lists = [*makers, *self._parts]
        for number, channels in enumerate(lists):
            groups, counts = self.of(channels).unique(return_counts=True)
            inside = number < len(lists) - len(self._parts)
            for group, count in zip(groups.tolist(), counts.tolist(), strict=True):
                signs[group].append((number, count if inside else 1))
        alike: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
        for group, sign in signs.items():
            alike[tuple(sign)].append(group)
        keep = torch.ones(len(self._group), dtype=torch.bool)
        for groups_alike in alike.values():
            order = sorted(set(groups_alike) - {FIXED})
            keep[order[kept(split_rate, len(order)) :]] = False
        return keep[self._group]

    def kept_with(self, channels: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
        """Which channels are kept, by number, bool, where for some of them it is known; all others are."""
        keep = torch.ones(len(self._group), dtype=torch.bool)
        for numbers, known in channels:
            keep[self.of(numbers)] = known
        return keep[self._group]
