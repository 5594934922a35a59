"""Depth: L1 loss, absolute and relative errors, accuracies within a factor of 1.25^t."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from runner.errors import require_word
from runner.tasks import Meter, Whole, own
from runner.tasks.dense import Rules, at_least_float32, brought_down, resized, weighted_mean
from runner.tasks.metrics import RunningMean, depth_ratios
from runner.tasks.targets import DenseTask, Target

Quantity = Literal["depth", "inverse depth"]
SHALLOWEST = 3e-5  # metres; labels up to here mean "unknown" (AdaShare's rule for NYU v2 and CityScapes)
FACTORS = {"delta_1.25": 1.25, "delta_1.25_2": 1.25**2, "delta_1.25_3": 1.25**3}
HIGHER_IS_BETTER: Mapping[str, bool] = MappingProxyType({"abs": False, "rel": False, **dict.fromkeys(FACTORS, True)})


@dataclass(frozen=True)
class Depth(DenseTask):
    """A distance for every pixel: prediction (B, 1, h, w), target (B, 1, H, W), 0 = unknown.

    `quantity`: distances in metres, or their inverse in the unit of the dataset, which is measured by the same rules.
    """

    metrics: Rules = "standard"
    quantity: Quantity = "depth"
    channels = 1
    higher_is_better = HIGHER_IS_BETTER

    def __post_init__(self) -> None:
        require_word("metrics", self.metrics, Rules)
        require_word("quantity", self.quantity, Quantity)

    @property
    def target(self) -> Target:
        """Distances or their inverse."""
        return Target(self.quantity, 0.0)

    def loss(self, prediction: Tensor, target: Tensor, whole: Whole = own) -> Tensor:
        """|prediction - label| in float32 at least, mean over the valid pixels at the prediction's size."""
        label = brought_down(target, prediction.shape[-2:], self.metrics)
        return weighted_mean((at_least_float32(prediction) - label).abs(), label > SHALLOWEST, whole)

    def resolved(self, prediction: Tensor, size: Sequence[int]) -> Tensor:
        """Metres or their inverse, (B, 1, H, W)."""
        return resized(prediction.float(), size, self.metrics)

    def meter(self) -> "DepthMeter":
        """A fresh accumulator; `metrics` says by which rules."""
        return DepthMeter(self)


class DepthMeter(Meter):
    """`abs` = mean |p - g|, `rel` = mean |p - g| / g, `delta_1.25_t` = percentage with max(p / g, g / p) <= 1.25^t.

    The prediction p is brought to the size of the label g, see `Depth.resolved`.
    Standard: over all valid pixels of the split, every pixel the same; a prediction p <= 0 is within no factor.
    Official (the code released with AdaShare): resized by nearest neighbour; abs and rel are means over batches, weighted by
    their number of images, of the mean over the batch's valid pixels (batches without any are left out); the deltas are over
    all valid pixels of the split, and p < 0 counts as right, its ratios being negative.
    """

    def __init__(self, task: Depth) -> None:
        self._task = task
        self._errors = RunningMean(2)
        self._within = RunningMean(len(FACTORS))

    @torch.inference_mode()
    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Take in a batch: prediction (B, 1, h, w), target (B, 1, H, W)."""
        predicted = self._task.resolved(prediction, target.shape[-2:])
        valid = target > SHALLOWEST
        count = valid.sum()
        difference = torch.where(valid, (predicted - target).abs(), 0)
        relative = torch.where(valid, difference / target, 0)
        errors = [difference.sum(dtype=torch.float64), relative.sum(dtype=torch.float64)]
        if self._task.metrics == "official":
            self._errors.add_batch(errors, count, len(target))
            eligible = valid
        else:
            self._errors.add(errors, count)
            eligible = valid & (predicted > 0)
        ratio = depth_ratios(predicted, target)
        self._within.add([((ratio <= factor) & eligible).sum() for factor in FACTORS.values()], count)

    def compute(self) -> dict[str, float]:
        """A distance or its inverse, a ratio and percentages over everything taken in."""
        absolute, relative = self._errors.means()
        within = {name: 100 * share for name, share in zip(FACTORS, self._within.means(), strict=True)}
        return {"abs": absolute, "rel": relative, **within}
