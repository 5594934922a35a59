"""Decoded photographs of any size in one file, and the windows of them that a batch asks for."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from runner.datasets.arrays import StoredArray, open_arrays

RESIDENT_SHARE = 1 / 4  # of a GPU's free memory that photographs may take


class PhotoStore:
    """Images (height, width, 3) uint8 one after the other in one file.

    On a GPU with room for them all they are kept there after the first call, and windows are cut there; elsewhere each window is
    read from the file. The same bytes either way.
    """

    def __init__(self, folder: Path) -> None:
        self.sides = torch.from_numpy(open_arrays(folder)["sides"].whole().astype(np.int64))  # (N, 2): height, width
        self._pixels = StoredArray(folder / "pixels.u8", np.uint8)
        self._firsts = self.sides.prod(1).cumsum(0) - self.sides.prod(1)  # the number of each image's first pixel
        self._resident: dict[torch.device, Tensor | None] = {}

    def windows(self, samples: Tensor, boxes: Tensor, device: torch.device) -> Tensor:
        """The pixels in `boxes` (B, 4) of `samples` (B,), each in the upper left of (B, tallest, widest, 3) uint8, else zeros.

        A box is top, left, height, width.
        """
        if device not in self._resident:
            self._resident[device] = self._whole(device) if fits(len(self._pixels), device) else None
        pixels = self._resident[device]
        return self._read(samples, boxes).to(device) if pixels is None else self._cut(pixels, samples, boxes)

    def _whole(self, device: torch.device) -> Tensor:
        """All pixels (P, 3) uint8 on `device`."""
        return torch.from_numpy(self._pixels.whole()).to(device).view(-1, 3)

    def _read(self, samples: Tensor, boxes: Tensor) -> Tensor:
        tallest, widest = boxes[:, 2:].amax(0).tolist()
        windows = torch.zeros(len(samples), tallest, widest, 3, dtype=torch.uint8)
        target = windows.numpy()
        firsts, sides = self._firsts[samples].tolist(), self.sides[samples].tolist()
        for number, (top, left, height, width) in enumerate(boxes.tolist()):
            line = sides[number][1] * 3
            first = firsts[number] * 3 + top * line
            lines = self._pixels.rows(first, first + height * line).reshape(height, -1, 3)
            target[number, :height, :width] = lines[:, left : left + width]
        return windows

    def _cut(self, pixels: Tensor, samples: Tensor, boxes: Tensor) -> Tensor:
        tallest, widest = boxes[:, 2:].amax(0).tolist()
        line = self.sides[samples, 1]
        first = self._firsts[samples] + boxes[:, 0] * line + boxes[:, 1]
        first, line, height, width = (
            numbers.to(pixels.device)[:, None, None] for numbers in (first, line, boxes[:, 2], boxes[:, 3])
        )
        row = torch.arange(tallest, device=pixels.device)[:, None]
        column = torch.arange(widest, device=pixels.device)
        inside = (row < height) & (column < width)
        return pixels[torch.where(inside, first + row * line + column, 0)] * inside[..., None]


def fits(size: int, device: torch.device) -> bool:
    """Whether `size` bytes may stay on `device`: on a GPU, in a quarter of what is free."""
    return device.type == "cuda" and size <= RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
