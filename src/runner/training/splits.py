"""Which samples a run has in which split: as the distribution says, and drawn from the seed where it does not."""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from runner.seeds import generator

Selected = Literal["validation", "test", "last"]  # what selects: a split, or nothing
VALIDATION_SHARE = 0.1  # of the training samples, when a validation split selects
SECOND_SHARE = 0.2  # of the training samples learn the policy where the distribution names no train2 (Sun et al. 2020)


def draw_splits(
    given: Mapping[str, Tensor], seed: int, selection: Selected, scale: float, batch_size: int
) -> dict[str, Tensor]:
    """The splits of a run: the distribution's own, completed by what has to be drawn from the seed.

    A validation split, where it selects and is not given, takes a tenth of the training samples before `train1` (weights)
    and `train2` (policy) are drawn; those are 80 and 20 percent, or the distribution's lists where all of it is used.
    A validation split of the distribution is never trained on.
    `scale` caps training, validation and test samples first, in proportion; enough stay for a batch of every split.
    """
    least = math.ceil(batch_size / SECOND_SHARE / (1 - VALIDATION_SHARE)) + 1
    train = _capped(given["train"], "train", seed, scale, least)
    splits = {"test": _capped(given["test"], "test", seed, scale, 1)}
    if selection == "validation":
        if "validation" in given:
            splits["validation"] = _capped(given["validation"], "validation", seed, scale, 1)
        else:
            splits["validation"], train = _divided(train, VALIDATION_SHARE, seed, "validation")
    splits["train"] = train
    if "train1" in given and scale == 1:
        splits["train1"] = given["train1"][torch.isin(given["train1"], train)]
        splits["train2"] = given["train2"][torch.isin(given["train2"], train)]
    else:
        splits["train2"], splits["train1"] = _divided(train, SECOND_SHARE, seed, "train1/train2")
    return splits


def _divided(samples: Tensor, share: float, seed: int, purpose: str) -> tuple[Tensor, Tensor]:
    """A random `share` of the samples, at least one, and the others."""
    order = samples[torch.randperm(len(samples), generator=generator(seed, purpose))]
    count = max(1, round(len(samples) * share))
    return order[:count].sort().values, order[count:].sort().values


def _capped(samples: Tensor, name: str, seed: int, scale: float, least: int) -> Tensor:
    count = min(len(samples), max(least, round(len(samples) * scale)))
    if count == len(samples):
        return samples
    order = torch.randperm(len(samples), generator=generator(seed, "cap", name))
    return samples[order[:count]].sort().values


def within(splits: Mapping[str, Tensor], own: Tensor) -> dict[str, Tensor]:
    """Of the samples of every split those that are among `own`."""
    return {name: samples[torch.isin(samples, own)] for name, samples in splits.items()}


def evenly(samples: Tensor, count: int) -> Tensor:
    """At most `count` of the samples, evenly spaced."""
    count = min(count, len(samples))
    return samples[torch.arange(count) * len(samples) // count]
