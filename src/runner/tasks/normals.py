"""Surface normals: cosine loss, angular errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from runner.errors import chosen, require_word
from runner.tasks import Meter, Whole, own
from runner.tasks.dense import Rules, at_least_float32, brought_down, resize_bilinear, resize_nearest, weighted_mean
from runner.tasks.metrics import AngleMedian, RunningMean, angles, unit_vectors
from runner.tasks.targets import DenseTask, Target

Coding = Literal["centred", "raw"]
WITHIN = (11.25, 22.5, 30)  # degrees
JudgedBy = Literal["angles", "cosine"]
HIGHER_IS_BETTER: Mapping[JudgedBy, Mapping[str, bool]] = MappingProxyType(
    {
        "angles": {"mean": False, "median": False, **{f"within_{limit}": True for limit in WITHIN}},
        "cosine": {"cosine": True},
    }
)


@dataclass(frozen=True)
class Normals(DenseTask):
    """A direction for every pixel: prediction (B, 3, h, w) of any length, target (B, 3, H, W) unit or zero = no label.

    Target axes are x right, y down, z forward. With coding "centred" the prediction is a vector in those axes. With
    "raw" it is one in the coding of the code released with AdaShare, which takes the colours of the stored image for
    vectors: (-y, z, x) in the order blue, green, red, each coded as (c + 1) / 2 * 255. All labels then lie in the
    positive octant, so the angles are not angles between normals.
    """

    coding: Coding = "centred"
    metrics: Rules = "standard"
    judged_by: JudgedBy = "angles"  # the metrics that count; by the cosine, as for Taskonomy, it is measured too
    channels = 3
    higher_is_better: Mapping[str, bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_word("coding", self.coding, Coding)
        require_word("metrics", self.metrics, Rules)
        object.__setattr__(self, "higher_is_better", dict(chosen("judged_by", self.judged_by, HIGHER_IS_BETTER)))

    def directions(self, target: Tensor) -> Tensor:
        """Unit vectors that a prediction is compared with, (B, 3, H, W); meaningless where there is no label."""
        if self.coding == "centred":
            return target
        x, y, z = target.unbind(1)
        return unit_vectors(torch.stack((-y, z, x), 1) + 1)

    @property
    def target(self) -> Target:
        """Unit vectors."""
        return Target("normals", 0.0)

    def loss(self, prediction: Tensor, target: Tensor, whole: Whole = own) -> Tensor:
        """1 - cos(prediction, label) in float32 at least, mean over the valid pixels at the prediction's size."""
        label = brought_down(target, prediction.shape[-2:], self.metrics)
        cosine = (unit_vectors(at_least_float32(prediction)) * self.directions(label)).sum(1)
        return weighted_mean(1 - cosine, labelled(label), whole)

    def between_cells(self, prediction: Tensor) -> Tensor:
        """Unit vectors: a longer one does not count for more."""
        return unit_vectors(prediction)

    def resolved(self, prediction: Tensor, size: Sequence[int]) -> Tensor:
        """Unit vectors in the coding, (B, 3, H, W); zero where the prediction has no direction."""
        vectors = self.between_cells(prediction.float())
        if self.metrics == "official" or vectors.shape[-2:] == tuple(size):
            return resize_nearest(vectors, size)
        return unit_vectors(resize_bilinear(vectors, size))

    def meter(self) -> "NormalsMeter":
        """A fresh accumulator of angular errors."""
        return NormalsMeter(self)


def labelled(target: Tensor) -> Tensor:
    """Where a normal is known: (B, 3, H, W) -> (B, H, W) bool."""
    return (target != 0).any(1)


class NormalsMeter(Meter):
    """Angle between prediction and label: `mean`, `median` in degrees, `within_t` = percentage of angles <= t degrees.

    All of them over all labelled pixels of the split, every pixel the same; the prediction is brought to the label's
    size (`Normals.resolved`); the median is exact to 1e-6 (`AngleMedian`). A prediction of length 0 is 90 degrees off.
    Of a task that is judged by it also `cosine`, the mean of the angle's.
    """

    def __init__(self, task: Normals) -> None:
        self._task = task
        self._means, self._cosine = RunningMean(1 + len(WITHIN)), RunningMean(1)
        self._median = AngleMedian()

    @torch.inference_mode()
    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Take in a batch: prediction (B, 3, h, w), target (B, 3, H, W)."""
        predicted = self._task.resolved(prediction, target.shape[-2:])
        valid, directions = labelled(target), self._task.directions(target)
        angle = angles(predicted, directions)
        total = torch.where(valid, angle, 0).sum(dtype=torch.float64)
        within = [((angle <= limit) & valid).sum() for limit in WITHIN]
        self._means.add([total, *within], valid.sum())
        self._median.add(angle, valid)
        if self._task.judged_by == "cosine":
            self._cosine.add(
                [torch.where(valid, (predicted * directions).sum(1), 0).sum(dtype=torch.float64)], valid.sum()
            )

    def compute(self) -> dict[str, float]:
        """Degrees and percentages over everything taken in."""
        mean, *within = self._means.means()
        shares = {f"within_{limit}": 100 * share for limit, share in zip(WITHIN, within, strict=True)}
        judged = {"cosine": self._cosine.means()[0]} if self._task.judged_by == "cosine" else {}
        return {**judged, "mean": mean, "median": self._median.median(), **shares}
