"""One picture of a split: samples evenly spaced over it, with their classes or, beside them, their dense targets."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from runner.batch import first
from runner.datasets import Dataset
from runner.datasets.texts import written
from runner.preparation import Preparation
from runner.rundir.storage import write_atomically
from runner.tasks.targets import DenseTask
from runner.training.splits import evenly

SHOWN, _PICTURES, _SIDE, _CAPTION, _LINE = 24, 8, 128, 14, 20  # _LINE: letters of a text side by side
CPU = torch.device("cpu")


def sheet(data: Dataset, split: str) -> Image.Image:
    """The contact sheet of a split."""
    parts = [_shown(data, part) for part in data.apart(evenly(data.splits[split], SHOWN))]
    return _tiled([tile for tiles, _ in parts for tile in tiles], [caption for _, some in parts for caption in some])


def _shown(data: Dataset, samples: Tensor) -> tuple[list[list[Image.Image]], list[str]]:
    """The pictures of every sample and its caption."""
    batch = data.batch(samples, CPU)
    pictures = [[_picture(row, data.preparation) for row in first(batch.inputs).movedim(batch.axis, 0)]]
    captions = [""] * len(samples)
    for task, target in batch.targets.items():
        kind = data.tasks[task]
        if isinstance(kind, DenseTask):
            pictures.append([_dense(row, kind) for row in target])
        else:
            names = data.class_names.get(task) or tuple(map(str, range(kind.channels)))
            captions = [
                f"{caption} {names[number]}".strip() for caption, number in zip(captions, target.tolist(), strict=True)
            ]
    return [list(tile) for tile in zip(*pictures, strict=True)], captions


def write(data: Dataset, split: str, folder: Path) -> Path:
    """The sheet as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{split}.png"
    content = io.BytesIO()
    sheet(data, split).save(content, format="PNG")
    write_atomically(path, content.getvalue())
    return path


def _tiled(tiles: list[list[Image.Image]], captions: list[str]) -> Image.Image:
    width, height = len(tiles[0]) * _SIDE, max(1, round(_SIDE * tiles[0][0].height / tiles[0][0].width))
    columns = max(1, _PICTURES // len(tiles[0]))
    rows = -(-len(tiles) // columns)
    page = Image.new("RGB", (columns * (width + 4), rows * (height + _CAPTION)), "white")
    draw = ImageDraw.Draw(page)
    for number, (pictures, caption) in enumerate(zip(tiles, captions, strict=True)):
        left, top = number % columns * (width + 4), number // columns * (height + _CAPTION)
        for place, picture in enumerate(pictures):
            page.paste(picture.resize((_SIDE, height), Image.Resampling.BOX), (left + place * _SIDE, top))
        draw.text((left + 2, top + height), caption[:22].encode("latin-1", "replace").decode("latin-1"), fill="black")
    return page


def _picture(inputs: Tensor, preparation: Preparation | None) -> Image.Image:
    """An input as one sees it: colours (C, H, W), events (T, 2, H, W) with those of brightening red, or characters (L,)."""
    if inputs.dim() == 1:
        return _page(written(inputs))
    if inputs.dim() == 4:
        events = inputs.sum(0) / inputs.sum(0).amax().clamp_min(1)
        return _image(1 - torch.stack([events[0], events.sum(0).clamp_max(1), events[1]]))
    if preparation is not None:
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (preparation.mean, preparation.std))
        inputs = inputs * std + mean
        if preparation.channels == "BGR":
            inputs = inputs.flip(0)
    else:
        inputs = (inputs - inputs.amin()) / (inputs.amax() - inputs.amin()).clamp_min(1e-9)
    return _image(inputs.expand(3, -1, -1) if len(inputs) == 1 else inputs[:3])


def _page(text: str) -> Image.Image:
    page = Image.new("RGB", (_SIDE, _SIDE), "white")
    lines = "\n".join(text[start : start + _LINE] for start in range(0, len(text), _LINE))
    ImageDraw.Draw(page).text((2, 2), lines.encode("latin-1", "replace").decode("latin-1"), fill="black")
    return page


def _dense(target: Tensor, task: DenseTask) -> Image.Image:
    """Labels in colours of their own, normals as (n + 1) / 2, others from black to white over their range; no label: white."""
    kind, unlabelled = task.target
    if kind == "labels":
        colours = torch.from_numpy(np.random.default_rng(7).integers(30, 226, (task.channels, 3))).float() / 255
        known = target != int(unlabelled)
        return _image(torch.where(known[..., None], colours[target.where(known, 0).long()], 1.0).permute(2, 0, 1))
    empty = target.isnan() if unlabelled != unlabelled else target == unlabelled
    if kind == "normals":
        return _image(torch.where(empty.all(0), 1.0, (target + 1) / 2))
    low, high = target[~empty].aminmax() if (~empty).any() else (target.new_zeros(()), target.new_ones(()))
    return _image(torch.where(empty, 1.0, (target - low) / (high - low).clamp_min(1e-9)).expand(3, -1, -1))


def _image(colours: Tensor) -> Image.Image:
    return Image.fromarray((colours.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy())
