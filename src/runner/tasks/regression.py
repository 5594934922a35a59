"""Heat maps, as of edges and keypoints: L1 loss and error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from types import MappingProxyType

import torch
from torch import Tensor

from runner.errors import require_word
from runner.tasks import Meter, Whole, own
from runner.tasks.dense import Rules, at_least_float32, resize_mean, resize_nearest, resized, weighted_mean
from runner.tasks.metrics import RunningMean
from runner.tasks.targets import DenseTask, Target

HIGHER_IS_BETTER: Mapping[str, bool] = MappingProxyType({"error": False})


@dataclass(frozen=True)
class HeatMap(DenseTask):
    """A number for every pixel: prediction (B, 1, h, w), target (B, 1, H, W), nan = no label.

    What is bright in a heat map is a few pixels wide: a label at the prediction's size is the mean over the cell, for a sample
    from it would hit or miss. With the official metrics it is a sample, as in the code released with AdaShare.
    """

    metrics: Rules = "standard"
    channels = 1
    higher_is_better = HIGHER_IS_BETTER

    def __post_init__(self) -> None:
        require_word("metrics", self.metrics, Rules)

    @property
    def target(self) -> Target:
        """Numbers."""
        return Target("heat map", nan)

    def loss(self, prediction: Tensor, target: Tensor, whole: Whole = own) -> Tensor:
        """|prediction - label| in float32 at least, mean over the valid pixels at the prediction's size."""
        bring = resize_mean if self.metrics == "standard" else resize_nearest
        label = bring(target, prediction.shape[-2:])
        # nan goes before the difference, or the gradient there would hang on what the sign of nan is
        return weighted_mean((at_least_float32(prediction) - label.nan_to_num(0)).abs(), ~label.isnan(), whole)

    def resolved(self, prediction: Tensor, size: Sequence[int]) -> Tensor:
        """Numbers, (B, 1, H, W)."""
        return resized(prediction.float(), size, self.metrics)

    def meter(self) -> "HeatMapMeter":
        """A fresh accumulator of the error."""
        return HeatMapMeter(self)


class HeatMapMeter(Meter):
    """`error` = mean |p - g| over all labelled pixels of the split, every pixel the same.

    The prediction p is brought to the size of the label g, see `HeatMap.resolved`.
    """

    def __init__(self, task: HeatMap) -> None:
        self._task = task
        self._mean = RunningMean(1)

    @torch.inference_mode()
    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Take in a batch: prediction (B, 1, h, w), target (B, 1, H, W)."""
        predicted = self._task.resolved(prediction, target.shape[-2:])
        valid = ~target.isnan()
        difference = torch.where(valid, (predicted - target).abs(), 0)
        self._mean.add([difference.sum(dtype=torch.float64)], valid.sum())

    def compute(self) -> dict[str, float]:
        """The error over everything taken in."""
        (error,) = self._mean.means()
        return {"error": error}
