"""Scaling, mirroring and cropping of images with dense targets, on whole batches on the training device.

Shapes: B samples, C channels, source images H x W, crops h x w. All random numbers come from one CPU generator and all
coordinates are computed in double precision on the CPU, so every device reads the same pixels.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from runner.datasets import crops
from runner.tasks.targets import Kind, Target

_DRAWS = 4  # random numbers per sample, whatever is switched on: scale, mirror, top, left


class Placement(NamedTuple):
    """Where each sample's crop lies in its scaled, mirrored image of floor(H s) x floor(W s) pixels."""

    scale: Tensor  # (B,) float64: s, pixels of the scaled image per pixel of the source
    mirrored: Tensor  # (B,) bool
    top: Tensor  # (B,) int64, first row of the crop; negative where the image starts further down
    left: Tensor  # (B,) int64, first column of the crop


def draw_placement(
    count: int,
    size: tuple[int, int],
    crop: tuple[int, int],
    generator: Generator,
    *,
    scale: tuple[float, float] = (1.0, 1.0),
    mirror: bool = True,
) -> Placement:
    """Random placements of `count` crops in images of `size` (H, W): scale uniform, mirrored with probability 1/2.

    The crop's position is uniform over those that lie inside the scaled image. In a direction where the scaled image is
    smaller than the crop the image is centred, as the official AdaShare loader does. Four numbers a sample are drawn
    from `generator` whatever the settings.
    """
    uniform = crops.uniform(count, _DRAWS, generator=generator)
    factor = scale[0] + uniform[:, 0] * (scale[1] - scale[0])
    top, left = (
        torch.where(free < 0, free.div(2, rounding_mode="trunc"), (uniform[:, column] * (free + 1)).floor()).long()
        for column, length, wanted in zip((2, 3), size, crop, strict=True)
        for free in [(length * factor).floor() - wanted]
    )
    return Placement(factor, (uniform[:, 1] < 0.5) & mirror, top, left)


def augment(
    inputs: Tensor,
    targets: Mapping[str, Tensor],
    kinds: Mapping[str, Target],
    generator: Generator,
    *,
    crop: tuple[int, int],
    scale: tuple[float, float] = (1.0, 1.0),
    mirror: bool = True,
    official: bool = False,
    fill: float | Sequence[float] = 0.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Random crops of `inputs` (B, C, H, W) and of the dense `targets`, each placed by `draw_placement`.

    See `place` for what happens to each target and for `official` and `fill`.
    """
    height, width = inputs.shape[2:]
    placement = draw_placement(len(inputs), (height, width), crop, generator, scale=scale, mirror=mirror)
    return place(inputs, targets, kinds, placement, crop=crop, official=official, fill=fill)


def place(
    inputs: Tensor,
    targets: Mapping[str, Tensor],
    kinds: Mapping[str, Target],
    placement: Placement,
    *,
    crop: tuple[int, int],
    official: bool = False,
    fill: float | Sequence[float] = 0.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Crops (B, C, h, w) float32 of `inputs` (B, C, H, W), any real dtype, and of `targets` under `placement`.

    Inputs are interpolated bilinearly; outside the image they are `fill`, one number or one a channel. Targets, of which
    `kinds` says what they are, take the nearest pixel and are unlabelled outside the image. A scene seen s times larger by
    the same camera is nearer, so depth is divided by s and inverse depth multiplied; dividing z by s turns a plane with
    normal (x, y, z) into one with normal (x, y, s z), normalised; a mirrored normal has its x negated. `official` leaves
    all of them as they are, as the official AdaShare loaders of NYUv2 and Cityscapes do.
    """
    height, width = inputs.shape[2:]
    factor, mirrored = placement.scale[:, None], placement.mirrored[:, None]
    rows = placement.top[:, None] + torch.arange(crop[0])
    columns = placement.left[:, None] + torch.arange(crop[1])
    scaled_height, scaled_width = (height * factor).floor(), (width * factor).floor()
    inside_rows, inside_columns = (rows >= 0) & (rows < scaled_height), (columns >= 0) & (columns < scaled_width)
    inside = (inside_rows[:, None, :, None] & inside_columns[:, None, None, :]).to(inputs.device)
    columns = torch.where(mirrored, scaled_width - 1 - columns, columns)
    y, x = (rows + 0.5) / factor, (columns + 0.5) / factor  # in pixels of the source, its top left corner at 0

    background = torch.as_tensor(fill, dtype=torch.float32, device=inputs.device).reshape(-1, 1, 1)
    cropped = torch.where(inside, _bilinear(inputs, y, x), background)
    nearest = _index(y.floor(), x.floor(), height, width, inputs.device)
    moved = {name: _take_dense(target, nearest, inside, kinds[name].unlabelled) for name, target in targets.items()}
    if not official:
        moved = {name: _as_seen(target, kinds[name].kind, placement) for name, target in moved.items()}
    return cropped, moved


def _as_seen(target: Tensor, kind: Kind, placement: Placement) -> Tensor:
    match kind:
        case "labels" | "heat map":
            return target
        case "depth":
            return target / placement.scale.to(target.device, target.dtype)[:, None, None, None]
        case "inverse depth":
            return target * placement.scale.to(target.device, target.dtype)[:, None, None, None]
        case "normals":
            return _normals_as_seen(target, placement)
    raise AssertionError(kind)


def _normals_as_seen(normals: Tensor, placement: Placement) -> Tensor:
    sign = 1.0 - 2.0 * placement.mirrored.double()
    factors = torch.stack([sign, torch.ones_like(sign), placement.scale], dim=1)
    normals = normals * factors.to(normals.device, normals.dtype)[:, :, None, None]
    # In float32 the root's last bit hangs on the processor: MKL's is not rounded correctly on Intel's.
    lengths = normals.square().sum(1, keepdim=True).double().sqrt_().to(normals.dtype).clamp_min_(1e-12)
    # Without a change of scale the lengths are right already, and the numbers stay exact.
    unscaled = (placement.scale == 1.0).to(normals.device)[:, None, None, None]
    return normals / lengths.masked_fill_(unscaled, 1.0)


def _take_dense(target: Tensor, index: Tensor, inside: Tensor, unlabelled: float) -> Tensor:
    planes = target.unsqueeze(1) if target.ndim == 3 else target
    taken = _take(planes, index, inside.shape[2:])
    return torch.where(inside, taken, unlabelled).reshape(*target.shape[:-2], *inside.shape[2:])


def _bilinear(images: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Images (B, C, H, W) at rows y (B, h) and columns x (B, w), pixel centres at halves, edges continued outwards."""
    height, width = images.shape[2:]
    (above, left), (down, right) = ((y - 0.5).floor(), (x - 0.5).floor()), (y - 0.5, x - 0.5)
    weight_y = (down - above).to(images.device, torch.float32)[:, None, :, None]
    weight_x = (right - left).to(images.device, torch.float32)[:, None, None, :]
    size = (y.shape[1], x.shape[1])

    def row(at: Tensor) -> Tensor:
        first, second = (
            _take(images, _index(at, column, height, width, images.device), size).float() for column in (left, left + 1)
        )
        return first + weight_x * (second - first)

    upper = row(above)
    return upper + weight_y * (row(above + 1) - upper)


def _index(y: Tensor, x: Tensor, height: int, width: int, device: torch.device) -> Tensor:
    """Numbers (B, h w) int64 of the pixels at rows y (B, h) and columns x (B, w), the nearest inside the image."""
    rows, columns = (
        coordinate.clamp(0, length - 1).long().to(device) for coordinate, length in ((y, height), (x, width))
    )
    return (rows[:, :, None] * width + columns[:, None, :]).flatten(1)


def _take(images: Tensor, index: Tensor, size: Sequence[int]) -> Tensor:
    """Pixels `index` (B, h w) of images (B, C, H, W), shaped (B, C, *size)."""
    channels = images.shape[1]
    return images.flatten(2).gather(2, index[:, None].expand(-1, channels, -1)).unflatten(2, tuple(size))
