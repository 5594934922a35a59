"""Geometric augmentation of whole batches: where to crop, and the exact antialiased resampling of one box per image.

Boxes are (B, 4) int64: top, left, height, width in pixels of each sample's own image. Every draw comes from the CPU generator
given, in a fixed order and number, so a batch is a function of the generator's state alone.
"""

from math import log
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from runner.seeds import drawn

SCALE = (0.08, 1.0)  # share of the image's area, Szegedy et al. 2015, "Going deeper with convolutions", section 6
RATIO = (3 / 4, 4 / 3)  # width over height
ATTEMPTS = 10  # boxes tried for each image before the largest centred one is taken


class Views(NamedTuple):
    """The part of each image that is resampled to the output, and the pixels that may be read for it.

    `start` and `length` (B, 2) float64 are corner and sides (vertical, horizontal) of the part, in pixels of the image;
    `boxes` (B, 4) int64 hold what may be read.
    """

    start: Tensor
    length: Tensor
    boxes: Tensor


def random_views(sides: Tensor, generator: Generator, area: tuple[float, float] = SCALE) -> Views:
    """The random resized crop's views of images of `sides` (B, 2) int64: crop first, then resample what was cropped."""
    boxes = random_boxes(sides, generator, area)
    return Views(boxes[:, :2].double(), boxes[:, 2:].double(), boxes)


def centre_views(sides: Tensor, size: int, resize: int) -> Views:
    """The evaluation's views: shorter side to `resize`, longer in proportion (rounded down), central `size` x `size` pixels.

    Resample first, then crop: pixels outside the crop but under the filter are read.
    """
    shorter = sides.amin(1, keepdim=True)
    resized = torch.where(sides == shorter, resize, resize * sides // shorter)
    step = sides.double() / resized
    corner = ((resized - size) / 2).round() * step
    reach = step.clamp(min=1)
    first = (corner - reach).floor().clamp(min=0).long()
    last = (corner + size * step + reach).ceil().long().minimum(sides)
    return Views(corner, size * step, torch.cat([first, last - first], 1))


def random_boxes(sides: Tensor, generator: Generator, share: tuple[float, float] = SCALE) -> Tensor:
    """Boxes (B, 4) of the random resized crop of the field, for images of `sides` (B, 2) int64: height, width.

    Area uniform in `share` of the image's, aspect ratio log-uniform in `RATIO`, both sides rounded; the first of ten draws
    that fits is placed uniformly. Where none fits: the largest centred box with an admitted ratio.
    """
    area = _between(len(sides), generator, *share) * sides.prod(1, keepdim=True)
    ratio = _between(len(sides), generator, log(RATIO[0]), log(RATIO[1])).exp()
    place = uniform(len(sides), 2, generator=generator)
    tried = torch.stack([(area / ratio).sqrt().round(), (area * ratio).sqrt().round()], -1).long()  # (B, attempts, 2)
    fits = ((tried > 0) & (tried <= sides[:, None])).all(-1)
    first = tried[torch.arange(len(tried)), fits.int().argmax(1)]  # argmax is the first of the largest
    free = sides - first
    drawn = torch.cat([(place * (free + 1)).floor().long().minimum(free), first], -1)
    return torch.where(fits.any(1)[:, None], drawn, _largest_boxes(*sides.unbind(1)))


def _largest_boxes(heights: Tensor, widths: Tensor) -> Tensor:
    """The largest boxes (B, 4) with a ratio in `RATIO`, centred."""
    height = heights.minimum((widths / RATIO[0]).round().long())
    width = widths.minimum((heights * RATIO[1]).round().long())
    return torch.stack([(heights - height) // 2, (widths - width) // 2, height, width], -1)


def random_flips(count: int, generator: Generator) -> Tensor:
    """Which of `count` images to mirror: (B,) bool, each with probability 1/2."""
    return uniform(count, generator=generator) < 0.5


def uniform(count: int, *shape: int, generator: Generator) -> Tensor:
    """Numbers (count, *shape) float64 from 0 to 1, drawn for the samples of a batch."""
    return drawn(lambda rows, own: torch.rand(rows, *shape, generator=own, dtype=torch.float64), count, generator)


def _between(count: int, generator: Generator, low: float, high: float) -> Tensor:
    return low + (high - low) * uniform(count, ATTEMPTS, generator=generator)


def resampling(start: Tensor, length: Tensor, count: Tensor, size: int, extent: int) -> Tensor:
    """Weights (B, size, extent) float32 that resample start to start + length of a line of `count` pixels to `size`.

    Antialiased linear interpolation, as torch and Pillow do it: output pixel i lies at c = start + (i + 1/2) s with
    s = length / size, and pixel j weighs max(0, 1 - |j + 1/2 - c| / max(s, 1)), normalised over the line's pixels.
    `start` and `length` (B,) may be fractions; `count` (B,) is the number of pixels there are, at most `extent`.
    """
    step = (length.double() / size)[:, None, None]
    device = start.device
    centre = start.double()[:, None, None] + (torch.arange(size, device=device)[:, None] + 0.5) * step
    pixel = torch.arange(extent, device=device)
    weight = (1 - (pixel + 0.5 - centre).abs() / step.clamp(min=1)).clamp(min=0) * (pixel < count[:, None, None])
    return (weight / weight.sum(-1, keepdim=True)).float()


def resample(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Apply weights rows (B, h, H) and columns (B, w, W) to images (B, H, W, C): (B, C, h, w) float32, on any device."""
    count, _, width, channels = images.shape
    narrowed = torch.bmm(rows, images.float().flatten(2)).view(count, -1, width, channels)
    lines = narrowed.permute(0, 3, 1, 2).flatten(1, 2)  # (B, C h, W)
    return torch.bmm(lines, columns.mT).view(count, channels, rows.shape[1], columns.shape[1])


def random_offsets(count: int, padding: int, generator: Generator) -> Tensor:
    """Corners (B, 2) int64 of random crops out of images padded by `padding` on every side."""
    return drawn(lambda rows, own: torch.randint(2 * padding + 1, (rows, 2), generator=own), count, generator)


def pad_and_crop(images: Tensor, offsets: Tensor, flips: Tensor, padding: int) -> Tensor:
    """Crop (B, C, H, W) images at `offsets` (B, 2) of their zero-padded form; mirror where `flips` (B,) says so."""
    count, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    rows = offsets[:, :1] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device).expand(count, -1)
    columns = offsets[:, 1:] + torch.where(flips[:, None], columns.flip(1), columns)
    sample = torch.arange(count, device=images.device)[:, None, None]
    # Advanced indices on both sides of a slice put their axes first: (B, H, W, C).
    return padded[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(x / 255 - mean) / std per channel of (B, C, H, W) images in 0..255, as contiguous float32."""
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device).view(-1, 1, 1)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=images.device).view(-1, 1, 1)
    return torch.addcmul(shift, images.float(), scale).contiguous()
