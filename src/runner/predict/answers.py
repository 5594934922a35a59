"""What a network saw in one picture: as arrays, as pictures, as words."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from runner.export import Exported
from runner.predict.spikes import Spikes, spikes
from runner.predict.spikes import write as write_spikes
from runner.preparation import in_order
from runner.report.plots.page import Row, colours
from runner.report.plots.pictures import field_scale
from runner.report.plots.predictions import FIELDS, Kind
from runner.rundir.storage import write_atomically
from runner.tasks import Task
from runner.tasks.targets import DenseTask

TOP = 5  # classes of a label task that are told, the likeliest ones
_ON_PAGE, _LINES = 300, 3  # pixels of a picture and classes of a label task on a page
_AT_ONCE = 2**20  # pixels that are coloured in one go


class Label(NamedTuple):
    """A class that a label task takes for likely."""

    name: str
    probability: float


class Answer(NamedTuple):
    """All that was seen in a picture."""

    path: Path
    name: str  # in the output
    colours: Tensor  # of the picture, as `runner.preparation.colours_of` gives them
    maps: Mapping[str, NDArray[Any]]  # dense task -> what `Exported.postprocess` gives
    labels: Mapping[str, Sequence[Label]]  # label task -> the likeliest classes
    spikes: Spikes | None = None  # where the network has some


class Asked(NamedTuple):
    """A picture that is to be looked at."""

    path: Path
    name: str
    colours: Tensor


def answers(net: Exported, asked: Sequence[Asked], class_names: Mapping[str, Sequence[str]]) -> list[Answer]:
    """What `net` sees in some pictures, in one batch."""
    preparation = net.require_pictures()
    inputs = torch.cat([preparation(each.colours) for each in asked])
    predictions, fired = net(inputs), spikes(net.model, inputs)
    found = []
    for number, each in enumerate(asked):
        own = {task: values[number : number + 1] for task, values in predictions.items()}
        size = (each.colours.shape[1], each.colours.shape[2])
        seen = net.postprocess(own, size)
        labels = {task: _top(seen[task], class_names[task]) for task in seen if net.tasks[task].kind == "label"}
        maps = {task: values for task, values in seen.items() if task not in labels}
        found.append(Answer(each.path, each.name, each.colours, maps, labels, fired[number] if fired else None))
    return found


def _top(probabilities: NDArray[Any], names: Sequence[str]) -> list[Label]:
    order = np.argsort(-probabilities, kind="stable")[:TOP]
    return [Label(names[number], float(probabilities[number])) for number in order]


def kinds(answer: Answer, tasks: Mapping[str, Task]) -> dict[str, Kind]:
    """How the maps of an answer are drawn; nothing of those with several numbers a pixel that are no directions."""
    return {task: found for task, values in answer.maps.items() if (found := _kind(tasks[task], values)) is not None}


def _kind(task: Task, values: NDArray[Any]) -> Kind | None:
    if isinstance(task, DenseTask):
        found = task.target.kind
        return "segmentation" if found == "labels" else found
    if values.ndim > 2:
        return None
    return "segmentation" if values.dtype.kind == "i" else "heat map"


def write(answer: Answer, drawn: Mapping[str, Kind], class_names: Mapping[str, Sequence[str]], output: Path) -> None:
    """Write every map of an answer into the folder of its picture: the array, and its colours as a picture of the same size.

    And the spikes, where there are some.
    """
    folder = output / answer.name
    if answer.spikes is not None:
        write_spikes(answer.spikes, answer.name, "\n".join(_lines(answer, 1)), folder)
    for task, values in answer.maps.items():
        folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, values)
        write_atomically(folder / f"{task}.npy", buffer.getvalue())
        if task in drawn:
            buffer = io.BytesIO()
            _coloured(drawn[task], values, len(class_names[task])).save(buffer, format="PNG")
            write_atomically(folder / f"{task}.png", buffer.getvalue())


def _coloured(kind: Kind, values: NDArray[Any], classes: int) -> Image.Image:
    scale = field_scale(values, FIELDS[kind][0]) if kind in FIELDS else None
    rows = max(1, _AT_ONCE // values.shape[1])
    strips = [values[start : start + rows] for start in range(0, len(values), rows)]
    parts = [np.round(255 * colours(kind, strip, classes, scale)).astype(np.uint8) for strip in strips]
    return Image.fromarray(np.concatenate(parts))


def row(answer: Answer, drawn: Mapping[str, Kind]) -> Row:
    """The answer as a page shows it, no larger than it is drawn there."""
    picture = in_order(answer.colours, "RGB")
    shrink = min(1.0, _ON_PAGE / max(picture.shape[1:]))
    height, width = (max(1, round(shrink * side)) for side in picture.shape[1:])
    if shrink < 1:
        picture = F.interpolate(picture[None], (height, width), mode="bilinear", antialias=True)[0].clamp(0, 1)
    lines = _lines(answer, 1 if len(answer.labels) > 1 else _LINES)
    maps = {task: _sampled(answer.maps[task], height, width) for task in drawn}
    return Row(answer.name, picture.permute(1, 2, 0).double().numpy(), maps, lines)


def _lines(answer: Answer, most: int) -> list[str]:
    """The `most` likeliest classes of every label task, and in which step they were found where that took several."""
    several = len(answer.labels) > 1
    lines = []
    for task, labels in answer.labels.items():
        before = f"{task}: " if several else ""
        lines += [f"{before}{label.name} {label.probability:.0%}" for label in labels[:most]]
        if answer.spikes is not None:
            lines.append(f"{before}settled in step {answer.spikes.settled[task]} of {answer.spikes.steps}")
    return lines


def _sampled(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Every so manyth row and column of a map."""
    rows, columns = (
        (np.arange(wanted) * 2 + 1) * have // (2 * wanted)
        for have, wanted in zip(values.shape, (height, width), strict=False)
    )
    return values[rows[:, None], columns]
