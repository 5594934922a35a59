"""What every distribution of Cityscapes is read through."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

Part = Literal["image", "segmentation", "depth"]
PARTS: tuple[Part, ...] = ("image", "segmentation", "depth")


class Source(ABC):
    """A distribution on disk; a part of a sample is read without the others, and from several threads."""

    layout: str  # for the summary and the name of the cache
    size: tuple[int, int]  # H, W of every frame
    default_size: tuple[int, int]  # to which they are brought where nothing else is asked for
    splits: Mapping[str, Sequence[int]]  # name -> sample numbers in 0 .. count - 1
    count: int
    depth: str  # what its depth is, for the summary

    @abstractmethod
    def file(self, part: Part, index: int) -> Path:
        """The file that holds a part of sample `index`."""

    @abstractmethod
    def require_depth(self) -> None:
        """Raise `DataError` where the distribution has no depth."""

    @abstractmethod
    def read(self, part: Part, index: int) -> np.ndarray:
        """A part of sample `index`, checked; raises `DataError`.

        image (H, W, 3) uint8 red, green, blue; segmentation (H, W) uint8, VOID where there is no label; depth (H, W) float32
        inverse depth, 0 where unknown.
        """
