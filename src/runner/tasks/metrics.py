"""Formulas of the metrics: confusion matrix, intersection over union, angles and their median, depth ratios, ranks.

Shapes: B batch, C classes or channels, H x W pixels.
"""

import struct
from collections.abc import Sequence
from math import nan

import torch
from torch import Tensor


def confusion_matrix(prediction: Tensor, target: Tensor, valid: Tensor, classes: int) -> Tensor:
    """Count (label, prediction) pairs where `valid`: (classes, classes) int64, rows are labels.

    `prediction`, `target` (int64) and `valid` (bool) have one shape; valid entries lie in 0 ... classes - 1.
    """
    pairs = torch.where(valid, target * classes + prediction, classes * classes)
    return torch.bincount(pairs.flatten(), minlength=classes * classes + 1)[:-1].reshape(classes, classes)


def intersection_over_union(confusion: Tensor) -> Tensor:
    """IoU_c = M_cc / (row_c + column_c - M_cc) per class, (C,) float64; nan for a class that never occurs."""
    matrix = confusion.double()
    hits = matrix.diagonal()
    return hits / (matrix.sum(0) + matrix.sum(1) - hits)


def unit_vectors(vectors: Tensor) -> Tensor:
    """Scale vectors along dimension 1, (B, C, ...), to length 1; a zero vector stays zero and gets no gradient."""
    squared = vectors.square().sum(1, keepdim=True)
    directed = squared > torch.finfo(vectors.dtype).tiny
    return torch.where(directed, vectors / torch.where(directed, squared, 1).sqrt(), 0)


def angles(a: Tensor, b: Tensor) -> Tensor:
    """Angles in degrees between unit vectors along dimension 1, (B, C, ...) -> (B, ...); 90 where one of them is zero.

    2 atan2(|a - b|, |a + b|): unlike acos(a . b) it keeps its precision near 0 and 180 degrees.
    """
    apart = (a - b).square().sum(1).sqrt()
    along = (a + b).square().sum(1).sqrt()
    return torch.rad2deg(2 * torch.atan2(apart, along))


def depth_ratios(prediction: Tensor, target: Tensor) -> Tensor:
    """max(p / g, g / p) per pixel, what delta_1.25^t compares with 1.25^t; not above 0 for a negative prediction."""
    return torch.maximum(prediction / target, target / prediction)


def label_ranks(scores: Tensor, target: Tensor) -> Tensor:
    """Place of the label among the scores (B, C), 0 = first: (B,) int64; right among the top k if below k.

    Equal scores are ordered by class, as argmax does; a score that is not a number goes before every other.
    """
    own = scores.gather(1, target[:, None])
    earlier = torch.arange(scores.shape[1], device=scores.device) < target[:, None]
    return (~(scores <= own)).sum(1) + ((scores == own) & earlier).sum(1)


class RunningMean:
    """Means of some quantities over a stream of batches, added up in float64 on the device of the data."""

    def __init__(self, quantities: int) -> None:
        self._sums = torch.zeros(quantities + 1, dtype=torch.float64)

    def add(self, sums: Sequence[Tensor], count: Tensor) -> None:
        """Take in scalar `sums` over `count` elements; every element weighs the same whatever batch it came in."""
        new = torch.stack([value.double() for value in (*sums, count)])
        self._sums = self._sums.to(new.device) + new

    def add_batch(self, sums: Sequence[Tensor], count: Tensor, size: int) -> None:
        """Take in the batch's mean sums / count with weight `size`, nothing where count is 0."""
        scale = size / count.double().clamp(min=1)
        self.add([value * scale for value in sums], count * scale)

    def means(self) -> list[float]:
        """The means; nan if no element came in."""
        *sums, count = self._sums.tolist()
        return [value / count if count else nan for value in sums]


def _pattern(value: float) -> int:
    return int.from_bytes(struct.pack(">f", value))


class AngleMedian:
    """Median of angles in degrees, 0 ... 180, over a stream of batches in fixed memory (71 MB on their device).

    Angles are counted by the leading bits of the float32 number s = angle + 1/2: bit patterns of positive floats have
    the order of their values, and rounding away the last 3 of the 23 bits of the mantissa leaves 9 million bins.
    For 2^e <= s < 2^(e + 1) forming s errs by at most 2^(e - 24) and its bin by 4 * 2^(e - 23), together
    4.5 * 2^(e - 23) <= 5.4e-7 (angle + 1/2). Both keep the order, so the median errs by no more: less than 1e-6 of
    itself above 1 degree, less than 1e-6 degrees below; whole angles are exact. Of an even number of angles it is the
    mean of the middle two.
    """

    _OFFSET, _DROPPED = 0.5, 3
    _HALF = 1 << (_DROPPED - 1)
    _FIRST = _pattern(_OFFSET)
    _BINS = ((_pattern(181.0) - _FIRST) >> _DROPPED) + 1

    def __init__(self) -> None:
        self._counts = torch.zeros(0, dtype=torch.int64)

    def add(self, angles: Tensor, valid: Tensor) -> None:
        """Take in float32 `angles` where `valid`, both of one shape."""
        if not len(self._counts):
            self._counts = torch.zeros(self._BINS, dtype=torch.int64, device=angles.device)
        pattern = (angles + self._OFFSET).view(torch.int32) - self._FIRST
        # the patterns of nan lie beyond the bins on both sides; it is the mean that tells of them
        bins = ((pattern + self._HALF) >> self._DROPPED).clamp(0, self._BINS - 1)
        self._counts.index_add_(0, bins.flatten(), valid.flatten().long())

    def median(self) -> float:
        """The median; nan if no angle came in."""
        below = self._counts.cumsum(0)
        count = int(below[-1]) if len(below) else 0
        if not count:
            return nan
        middle = torch.tensor([(count - 1) // 2, count // 2], device=below.device)
        patterns = (torch.searchsorted(below, middle, right=True) << self._DROPPED) + self._FIRST
        return float(patterns.int().view(torch.float32).double().mean()) - self._OFFSET
