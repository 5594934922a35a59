"""Classification of whole images: cross-entropy with label smoothing, top-1 and top-5 accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from runner.errors import chosen
from runner.tasks import Meter, Task, Whole, own
from runner.tasks.dense import at_least_float32
from runner.tasks.metrics import RunningMean, label_ranks
from runner.tasks.retrieval import RetrievalMeter

JudgedBy = Literal["classes", "neighbours"]
HIGHER_IS_BETTER: Mapping[JudgedBy, Mapping[str, bool]] = MappingProxyType(
    {"classes": {"top1": True}, "neighbours": {"recall1": True, "nmi": True}}
)


@dataclass(frozen=True)
class Classification(Task):
    """A class for every image: prediction (B, classes), target (B,) int64 in 0 ... classes - 1.

    Papers compare networks by top1 alone; top5 and loss are reported, but count in no relative performance. Judged by neighbours
    are features, of samples of any class, also beyond those that are predicted (`runner.tasks.retrieval`).
    """

    classes: int
    smoothing: float = 0.0  # share of the label that is spread evenly over all classes
    judged_by: JudgedBy = "classes"
    channels: int = field(init=False, repr=False)
    kind = "label"
    higher_is_better: Mapping[str, bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "higher_is_better", dict(chosen("judged_by", self.judged_by, HIGHER_IS_BETTER)))
        object.__setattr__(self, "channels", self.classes)

    def loss(self, prediction: Tensor, target: Tensor, whole: Whole = own) -> Tensor:
        """(1 - s) (-log p_y) + s mean_c (-log p_c), mean over the batch; s = `smoothing`.

        Label smoothing is due to Szegedy et al. 2016; with s = 0 this is cross-entropy.
        """
        return F.cross_entropy(at_least_float32(prediction), target, label_smoothing=self.smoothing)

    def resolved(self, prediction: Tensor, size: Sequence[int]) -> Tensor:
        """Probabilities (B, classes)."""
        return at_least_float32(prediction).softmax(1)

    def meter(self) -> Meter:
        """A fresh accumulator."""
        return ClassificationMeter(self) if self.judged_by == "classes" else RetrievalMeter()


class ClassificationMeter(Meter):
    """`top1` and, if there are more than 5 classes, `top5` in percent, `loss` (cross-entropy).

    All of them over all images of the split, every image the same; equal scores are ordered by class.
    """

    def __init__(self, task: Classification) -> None:
        self._task = task
        self._depths = {"top1": 1, "top5": 5} if task.classes > 5 else {"top1": 1}
        self._mean = RunningMean(1 + len(self._depths))

    @torch.inference_mode()
    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Take in a batch: prediction (B, classes), target (B,)."""
        ranks = label_ranks(prediction, target)
        right = [(ranks < depth).sum() for depth in self._depths.values()]
        loss = self._task.loss(prediction, target).double() * len(target)
        self._mean.add([loss, *right], loss.new_tensor(len(target)))

    def compute(self) -> dict[str, float]:
        """Percentages and the mean loss over everything taken in."""
        loss, *shares = self._mean.means()
        return {**{name: 100 * share for name, share in zip(self._depths, shares, strict=True)}, "loss": loss}
