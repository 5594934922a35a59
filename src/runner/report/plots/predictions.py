"""Inputs, ground truth and predictions side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import TextWrapper
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from runner.report.plots.palette import VOID, categorical
from runner.report.plots.pictures import class_colors, event_colors, field_colors, field_scale, normal_colors, stretched
from runner.report.plots.sheet import CHARACTERS, LINE, SCALE, TILE, Sheet
from runner.report.plots.style import MUTED, RIGHT, SMALL, WRONG, canvas
from runner.tasks import Task
from runner.tasks.targets import DenseTask

Kind = Literal["label", "segmentation", "normals", "depth", "inverse depth", "heat map"]
Tensors = Mapping[str, Tensor]
Names = Mapping[str, Sequence[str]]
_WRAPPER = TextWrapper(CHARACTERS, max_lines=3, placeholder=" …", subsequent_indent="   ", break_on_hyphens=False)
_CAPTION = 0.17  # inches
_ACROSS = 6  # images in a row where nothing stands beside them
FIELDS = {
    "depth": ("cividis", " (m)"),
    "inverse depth": ("cividis", " (inverse)"),
    "heat map": ("magma", ""),
}  # colours and unit


def predictions(
    images: Tensor,
    targets: Tensors,
    predictions: Tensors,
    tasks: Mapping[str, Task],
    class_names: Names,
    path: Path,
    *,
    samples: Sequence[int],
    caption: str,
    events: bool = False,
) -> None:
    """A row per image (B, C, H, W): the input, then ground truth and prediction of every dense task.

    `samples` are the numbers of the images; `caption` says whose predictions these are. Label tasks are written under the
    input: ✓ and the class, or ✗, the predicted and the true class. Predictions are what was measured, `Task.resolved`: classes
    (B, H, W), numbers and directions (B, C, H, W), probabilities (B, classes). Classes of label tasks without `class_names` are
    shown by their numbers. Inputs are stretched to their range of brightness; with `events` they are counts of events. A scalar
    field has one colour scale for all images, that of the labelled pixels.
    """
    kinds = {task: kind(tasks[task], targets[task]) for task in predictions}
    dense = [task for task in kinds if kinds[task] != "label"]
    labels = [task for task in kinds if kinds[task] == "label"]
    texts = [
        [(f"sample {sample}", MUTED), *_label_lines(number, labels, targets, predictions, class_names)]
        for number, sample in enumerate(samples)
    ]
    classes = [task for task in dense if kinds[task] == "segmentation"]
    legend = [handle for task in classes for handle in _legend(task, targets, predictions, class_names)]
    rows = len(images) if dense else -(-len(images) // _ACROSS)
    sheet = Sheet(
        columns=1 + 2 * len(dense) if dense else min(len(images), _ACROSS),
        tiles=[TILE * images.shape[-2] / images.shape[-1]] * rows,
        texts=[LINE * max(map(len, texts))] * rows,
        title=_CAPTION + (0.42 if dense else 0.07),
        scales=SCALE if any(kinds[task] in FIELDS for task in dense) else 0.0,
        legend=[str(handle.get_label()) for handle in legend],
    )
    with canvas(path, sheet.width, sheet.height) as figure:
        figure.set_layout_engine("none")
        figure.text(0.07 / sheet.width, 1 - 0.04 / sheet.height, caption, va="top", fontsize=SMALL, color=MUTED)
        for number, image in enumerate(images.double().cpu().numpy()):
            axes = sheet.panel(figure, *((number, 0) if dense else divmod(number, _ACROSS)))
            axes.imshow(event_colors(image) if events else stretched(image), aspect="auto")
            axes.set_title("input" if dense and number == 0 else "")
            for row, (line, shade) in enumerate(texts[number]):
                note(axes, line, shade, row)
        for position, task in enumerate(dense):
            count = len(class_names.get(task, ()))
            _dense(figure, sheet, 1 + 2 * position, task, kinds[task], targets[task], predictions[task], count)
        if legend:
            sheet.write_legend(figure, legend)


def kind(task: Task, target: Tensor) -> Kind:
    """How a task is shown; of a dense one that does not say what its targets are, by their shape."""
    if task.kind == "label":
        return "label"
    if isinstance(task, DenseTask):
        found = task.target.kind
        return "segmentation" if found == "labels" else found
    if target.dim() == 3:
        return "segmentation"
    return "normals" if target.shape[1] == 3 else "heat map"


def _label_lines(
    number: int, tasks: Sequence[str], targets: Tensors, predictions: Tensors, class_names: Names
) -> list[tuple[str, str]]:
    """Lines of text and their colours for one image."""
    lines: list[tuple[str, str]] = []
    for task in tasks:
        truth, guess = int(targets[task][number]), int(predictions[task][number].argmax())
        names = [class_names[task][index] if task in class_names else str(index) for index in (guess, truth)]
        found = names[0] if truth == guess else f"{names[0]}, is {names[1]}"
        text = f"{'✓' if truth == guess else '✗'} {f'{task}: ' if len(tasks) > 1 else ''}{found}"
        lines += [(line, RIGHT if truth == guess else WRONG) for line in _WRAPPER.wrap(text)]
    return lines


def note(axes: Axes, text: str, shade: str, row: int = 0) -> None:
    """Small text under an image, in the given row."""
    offset = (0, -2 - 72 * LINE * row)
    place: dict[str, Any] = {"xycoords": "axes fraction", "xytext": offset, "textcoords": "offset points", "va": "top"}
    axes.annotate(text, (0, 0), **place, fontsize=SMALL, color=shade)


def _dense(
    figure: Figure, sheet: Sheet, column: int, task: str, found: Kind, target: Tensor, prediction: Tensor, classes: int
) -> None:
    """Fill the columns of ground truth and prediction; a segmentation has so many classes."""
    if found == "segmentation":
        pictures = class_colors(target.cpu().numpy(), classes), class_colors(prediction.cpu().numpy(), classes)
    elif found == "normals":
        pictures = normal_colors(target.cpu().numpy()), normal_colors(prediction.double().cpu().numpy())
    else:
        given, guess = target[:, 0].cpu().numpy(), prediction[:, 0].double().cpu().numpy()
        field = np.where(given > 0, given, np.nan) if found in ("depth", "inverse depth") else given
        colors, unit = FIELDS[found]
        scale = field_scale(field, colors)
        pictures = field_colors(field, scale), field_colors(guess, scale)
        label = f"{task}{unit}{', grey: no label' if np.isnan(field).any() else ''}"
        bar = figure.colorbar(scale, cax=sheet.scale(figure, column), orientation="horizontal", label=label)
        bar.outline.set_visible(False)
    for offset, (of, images) in enumerate(zip(("truth", "prediction"), pictures, strict=True)):
        for row, image in enumerate(images):
            axes = sheet.panel(figure, row, column + offset)
            axes.imshow(image, extent=(0, 1, 0, 1), aspect="auto")
            axes.set_title(f"{task}\n{of}" if row == 0 else "")
            if found == "normals" and offset == 0 and row == len(images) - 1:
                note(axes, "red right, green up, blue towards the camera", MUTED)


def _legend(task: str, targets: Tensors, predictions: Tensors, class_names: Names) -> list[Patch]:
    """A swatch for every class that occurs in the ground truth or the prediction of a segmentation, and for void."""
    target, names = targets[task], class_names[task]
    classes = len(names)
    known = (target >= 0) & (target < classes)
    present = {*target[known].unique().tolist(), *predictions[task].unique().tolist()}
    colors = categorical(classes)
    handles = [Patch(color=colors[number], label=names[number]) for number in sorted(present)]
    return handles if bool(known.all()) else [*handles, Patch(color=VOID, label="no label")]
