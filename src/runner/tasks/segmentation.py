"""Semantic segmentation: cross-entropy, mean intersection over union, pixel accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from runner.errors import chosen, require_word
from runner.tasks import Meter, Whole, own
from runner.tasks.dense import (
    Rules,
    at_least_float32,
    brought_down,
    resize_bilinear,
    resize_nearest,
    resized,
    weighted_mean,
)
from runner.tasks.metrics import RunningMean, confusion_matrix, intersection_over_union
from runner.tasks.targets import DenseTask, Target

JudgedBy = Literal["overlap", "cross_entropy"]
HIGHER_IS_BETTER: Mapping[JudgedBy, Mapping[str, bool]] = MappingProxyType(
    {"overlap": {"miou": True, "pixel_accuracy": True}, "cross_entropy": {"cross_entropy": False}}
)


@dataclass(frozen=True)
class Segmentation(DenseTask):
    """A class for every pixel: prediction (B, classes, h, w), target (B, H, W) int64, 0 ... classes - 1 or `ignore`."""

    classes: int
    ignore: int = 255  # label of pixels that count neither in the loss nor in the metrics
    weights: tuple[float, ...] = ()  # of the classes in the loss; () = all equal
    metrics: Rules = "standard"
    judged_by: JudgedBy = (
        "overlap"  # the metrics that count; by the cross-entropy, as for Taskonomy, it is measured too
    )
    channels: int = field(init=False, repr=False)
    higher_is_better: Mapping[str, bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_word("metrics", self.metrics, Rules)
        object.__setattr__(self, "channels", self.classes)
        object.__setattr__(self, "higher_is_better", dict(chosen("judged_by", self.judged_by, HIGHER_IS_BETTER)))

    @property
    def target(self) -> Target:
        """Numbers of classes."""
        return Target("labels", self.ignore)

    def loss(self, prediction: Tensor, target: Tensor, whole: Whole = own) -> Tensor:
        """Cross-entropy in float32 at least, mean over the valid pixels at the prediction's size.

        With `weights` the mean is weighted by the label's class: sum w_y (-log p_y) / sum w_y.
        """
        label = brought_down(target, prediction.shape[-2:], self.metrics)
        return weighted_mean(self.losses(prediction, label), self.weight(label, prediction), whole)

    def weight(self, label: Tensor, like: Tensor) -> Tensor:
        """What every pixel (B, h, w) counts for in the loss, on the device of `like`: that of its class, 0 without a label."""
        valid = label != self.ignore
        if not self.weights:
            return valid
        return like.new_tensor(self.weights, dtype=torch.float32)[label.where(valid, 0)] * valid

    def losses(self, prediction: Tensor, label: Tensor) -> Tensor:
        """Cross-entropy of every pixel, (B, h, w) float32 at least; 0 where there is no label."""
        return F.cross_entropy(at_least_float32(prediction), label, ignore_index=self.ignore, reduction="none")

    def resolved(self, prediction: Tensor, size: Sequence[int]) -> Tensor:
        """Classes, (B, H, W) int64: of the bilinear scores, or under the official rules the nearest cell's."""
        if self.metrics == "official" or prediction.shape[-2:] == tuple(size):
            return resize_nearest(prediction.argmax(1), size)
        # one picture after the other: scores of all classes at full size would not fit the processor's caches
        return torch.stack([resize_bilinear(scores, size).argmax(0) for scores in prediction.float()])

    def meter(self) -> "SegmentationMeter":
        """A fresh accumulator; `metrics` says by which rules."""
        return SegmentationMeter(self)


class SegmentationMeter(Meter):
    """`miou` and `pixel_accuracy` in percent of the classes at the label's size (`Segmentation.resolved`).

    Standard: one confusion matrix over all valid pixels of the split; miou is the mean IoU over the classes that occur
    in label or prediction, pixel_accuracy the share of valid pixels that are right.
    Official (the code released with AdaShare): classes without a single right pixel are left out of miou (0 if that
    leaves none); pixel_accuracy is the mean over batches, weighted by their number of images, of the share of right
    pixels among those with label < classes, so that a void of -1 counts as wrong; batches without any are left out.

    Of a task that is judged by it also `cross_entropy`, weighted by class as the loss, of the scores at the label's size:
    the mean over all valid pixels of the split, officially over batches as pixel_accuracy is.
    """

    def __init__(self, task: Segmentation) -> None:
        self._task = task
        self._confusion = torch.zeros(task.classes, task.classes, dtype=torch.int64)
        self._batch_accuracy, self._cross_entropy = RunningMean(1), RunningMean(1)

    @torch.inference_mode()
    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Take in a batch: prediction (B, classes, h, w), target (B, H, W)."""
        predicted = self._task.resolved(prediction, target.shape[-2:])
        confusion = confusion_matrix(predicted, target, target != self._task.ignore, self._task.classes)
        self._confusion = self._confusion.to(confusion.device) + confusion
        if self._task.metrics == "official":
            counted = target < self._task.classes
            right = (predicted == target) & counted
            self._batch_accuracy.add_batch([right.sum()], counted.sum(), len(target))
        if self._task.judged_by == "cross_entropy":
            self._add_cross_entropy(resized(prediction.float(), target.shape[-2:], self._task.metrics), target)

    def _add_cross_entropy(self, scores: Tensor, target: Tensor) -> None:
        weight = self._task.weight(target, scores)
        total, count = (self._task.losses(scores, target) * weight).sum(dtype=torch.float64), weight.sum()
        if self._task.metrics == "official":
            valid = (weight > 0).sum()
            self._cross_entropy.add_batch([total / count.double().clamp(min=1e-12) * valid], valid, len(target))
        else:
            self._cross_entropy.add([total], count)

    def compute(self) -> dict[str, float]:
        """Percentages over everything taken in."""
        overlap = intersection_over_union(self._confusion)
        if self._task.metrics == "official":
            hit = overlap > 0
            miou = float(overlap[hit].mean()) if hit.any() else float(overlap.nanmean())
            (accuracy,) = self._batch_accuracy.means()
        else:
            miou = float(overlap.nanmean())
            accuracy = float(self._confusion.diagonal().sum().double() / self._confusion.sum())
        judged = {"cross_entropy": self._cross_entropy.means()[0]} if self._task.judged_by == "cross_entropy" else {}
        return {**judged, "miou": 100 * miou, "pixel_accuracy": 100 * accuracy}
