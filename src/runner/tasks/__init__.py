"""Kinds of tasks: what is predicted, the loss that trains it and the metrics that judge it; one file per kind."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

from torch import Tensor

Whole = Callable[[Tensor], Tensor]


def own(count: Tensor) -> Tensor:
    """The count itself: a batch that is a whole of its own."""
    return count


class Meter(ABC):
    """Accumulates one task's metrics over the batches of a split.

    `reads` says of what: of predictions, or of the features of which a network's heads make them.
    """

    reads: ClassVar[Literal["predictions", "features"]] = "predictions"

    @abstractmethod
    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Take in one batch; `prediction` as the network gives it (or features), `target` as the dataset does."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """The metrics over everything taken in so far; `nan` where nothing was valid."""


class Task(ABC):
    """One thing to predict.

    `channels` is the number of outputs that a network needs for it; `kind` is "dense" (one prediction per pixel) or
    "label" (one per image); `higher_is_better` names every metric that counts in a relative performance, in the order
    of the papers' tables, and its direction.
    """

    channels: int
    kind: str
    higher_is_better: Mapping[str, bool]

    @abstractmethod
    def loss(self, prediction: Tensor, target: Tensor, whole: Whole = own) -> Tensor:
        """Scalar training loss; zero with zero gradient where nothing in `target` is valid.

        A mean over valid elements divides by `whole` of their count, so that the mean of the losses of equal parts of a batch
        is the loss of the whole batch where `whole` gives the parts' mean count.
        """

    def between_cells(self, prediction: Tensor) -> Tensor:
        """The prediction in the form whose values may be interpolated: as it is, unless its length says nothing."""
        return prediction

    @abstractmethod
    def resolved(self, prediction: Tensor, size: Sequence[int]) -> Tensor:
        """What a prediction says for pictures of `size` (H, W), in the form and unit of the task's targets.

        It is what the metrics compare with the targets: classes (B, H, W) int64, numbers or directions (B, C, H, W). Of a
        label task the probabilities of the classes (B, classes), whatever the size.
        """

    @abstractmethod
    def meter(self) -> Meter:
        """A fresh accumulator of this task's metrics."""
