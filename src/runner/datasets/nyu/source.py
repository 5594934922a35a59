"""What every distribution of NYUv2 is read into."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np


class Frame(NamedTuple):
    """One sample of H x W pixels."""

    image: np.ndarray  # (H, W, 3) uint8, red, green, blue
    segmentation: np.ndarray  # (H, W) uint8, `frames.VOID` where there is no label
    depth: np.ndarray  # (H, W) float32 metres, 0 where unknown
    normals: np.ndarray | None  # (H, W, 3) uint8 as `normals.encode` codes them; None where the distribution has none


class Source(ABC):
    """A distribution on disk: what it holds and how to read one sample; `read` may be called from several threads."""

    layout: str  # for the summary and the name of the cache
    size: tuple[int, int]  # H, W of every frame
    classes: tuple[str, ...]
    splits: Mapping[str, Sequence[int]]  # name -> sample numbers in 0 .. count - 1
    count: int
    has_normals: bool
    whole_view: bool  # frames show the camera's whole field of view, so its parameters are known
    state: str  # changes when a file does
    files: Mapping[str, Any]  # `sources.described`, for a run's record
    names: Sequence[str] = ()  # file of every sample's picture, below the root; empty where all are in one file
    about: Mapping[str, str] = MappingProxyType({})  # what else a reader of the results has to know, for the summary

    @abstractmethod
    def read(self, index: int) -> Frame:
        """Sample `index`, checked; raises `DataError`."""
