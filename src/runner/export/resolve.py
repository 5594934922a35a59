"""Predictions brought to the size of the picture that they were made from, which is seldom that of evaluation."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from runner.tasks import Task
from runner.tasks.dense import between, stride

_AT_ONCE = 2**24  # numbers of a prediction at full size that are held in memory


def seen(task: Task, prediction: Tensor, evaluated: Sequence[int], size: Sequence[int]) -> NDArray[Any]:
    """What a prediction (1, ...) says of a picture of `size` (H, W) that the network was shown at the size `evaluated`.

    Of label tasks (classes,), of dense ones (H, W), or (H, W, C) of several channels. At the evaluated size it is what metrics
    compare, `Task.resolved`; for any other size the prediction is first brought to it, bilinear between its cells.
    """
    if task.kind == "label" or tuple(size) == tuple(evaluated):
        found = task.resolved(prediction.float(), size)[0]
    else:
        strips = _strips(task.between_cells(prediction.float()), evaluated, size)
        found = torch.cat([task.resolved(strip, strip.shape[-2:])[0] for strip in strips], -2)
    if found.dim() == 3:
        found = found[0] if len(found) == 1 else found.permute(1, 2, 0)
    array: NDArray[Any] = found.contiguous().numpy()
    return array


def _strips(prediction: Tensor, evaluated: Sequence[int], size: Sequence[int]) -> Iterator[Tensor]:
    """`prediction` (1, C, h, w) at `size`, strip by strip of its rows: (1, C, rows, W) at a time."""
    wide = between(prediction, _places(size[1], evaluated[1], prediction.shape[-1]), -1)
    rows = _places(size[0], evaluated[0], prediction.shape[-2])
    for places in rows.split(max(1, _AT_ONCE // (prediction.shape[1] * size[1]))):
        yield between(wide, places, -2)


def _places(pixels: int, evaluated: int, cells: int) -> Tensor:
    """Where the pixels of a picture lie among the cells; cell i lies on pixel i s of the picture as it was evaluated."""
    centres = (torch.arange(pixels, dtype=torch.float64) + 0.5) * (evaluated / pixels) - 0.5
    return (centres / stride(cells, evaluated)).clamp(0, cells - 1)
