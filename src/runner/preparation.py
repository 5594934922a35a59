"""How a picture becomes what a network takes: any kind, size and orientation of picture in, a batch of one out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from runner.errors import ConfigurationError, DataError, require_word

Channels = Literal["RGB", "BGR", "L"]
Picture = str | Path | Image.Image | NDArray[Any]
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in grey, ITU-R 601, as Pillow has it
_WHITE = 65535  # of pictures of 16 bits
# What characters of texts are numbered by: these, from 2 on, one number for all others, and one that fills up (Conneau et al.
# 2017, section 3.1)
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/|_#$%^&*~`+=<>()[]{} "
FILLING, UNKNOWN, TOKENS = 0, 1, len(ALPHABET) + 2


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What a dataset does to a picture before a network is evaluated on it.

    The picture's colours in [0, 1], in the order `channels` ("L" is grey), are brought to `size` (H, W) by antialiased bilinear
    weights; then `mean` is taken off and divided by `std`, a number for every channel. All of the picture is resized, whatever
    its proportions; with `shorter_side` it keeps them, its shorter side becomes that, and the centre of `size` is cut out.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: Channels = "RGB"
    shorter_side: int | None = None

    def __post_init__(self) -> None:
        require_word("channels", self.channels, Channels)
        assert len(self.mean) == len(self.std) == len(self.channels)

    def recorded(self) -> dict[str, Any]:
        """Plain values, from which `from_recorded` makes the same."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_recorded(cls, content: Mapping[str, Any]) -> "Preparation":
        """What was recorded."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
        }
        return cls(**values)

    def __call__(self, colours: Tensor) -> Tensor:
        """What a network takes, (1, C, h, w), of the `colours` (1 to 4, H, W) of one picture, as `colours_of` gives them."""
        values = in_order(colours, self.channels)
        size = self.size if self.shorter_side is None else _in_proportion(values.shape[1:], self.shorter_side)
        if values.shape[1:] != size:
            values = F.interpolate(values[None], size, mode="bilinear", antialias=True)[0]
        top, left = (round((have - wanted) / 2) for have, wanted in zip(size, self.size, strict=True))
        values = values[:, top : top + self.size[0], left : left + self.size[1]]
        mean, std = (torch.tensor(numbers).view(-1, 1, 1) for numbers in (self.mean, self.std))
        return ((values - mean) / std)[None]


def _in_proportion(size: tuple[int, ...], shorter: int) -> tuple[int, int]:
    """`size` with `shorter` as its shorter side, the longer one rounded down."""
    height, width = (shorter if side == min(size) else shorter * side // min(size) for side in size)
    return height, width


def in_order(colours: Tensor, channels: Channels) -> Tensor:
    """Grey, grey and opacity, colours, or colours and opacity (1 to 4, H, W) as `channels`; what is transparent is white."""
    if len(colours) in (2, 4):
        colours, opacity = colours[:-1], colours[-1:]
        colours = colours * opacity + (1 - opacity)
    if channels == "L":
        return colours if len(colours) == 1 else torch.einsum("chw,c->hw", colours, torch.tensor(_LUMA))[None]
    colours = colours.expand(3, -1, -1)
    return colours if channels == "RGB" else colours.flip(0)


def colours_of(picture: Picture) -> Tensor:
    """A picture's colours in [0, 1]: (1, H, W) grey or (3, H, W) red, green, blue, and opacity behind them if there is one.

    `picture` is a file's path; a Pillow picture of any mode, turned as its EXIF data say; or an array (H, W) or (H, W, 1 to 4)
    of booleans, bytes, 16-bit numbers, or floating point in [0, 1]. Raises `DataError` for a file that cannot be read, naming
    it, and `ConfigurationError` for anything else that is no picture.
    """
    if isinstance(picture, np.ndarray):
        return _of_array(picture)
    if isinstance(picture, Image.Image):
        return _of_image(picture)
    try:
        with Image.open(picture) as opened:
            return _of_image(opened)
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        reason = "no picture that Pillow knows" if isinstance(error, UnidentifiedImageError) else _reason(error)
        raise DataError(f"{picture} cannot be read: {reason}") from None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _of_image(image: Image.Image) -> Tensor:
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ConfigurationError(
            "a picture of floating point (mode F) does not say what is white; give an array with numbers in [0, 1]"
        )
    if image.mode[0] == "I":  # I;16 and its byte orders, and I, in which Pillow holds some pictures of 16 bits
        return _of_array(np.asarray(image).clip(0, _WHITE).astype(np.uint16))
    if image.has_transparency_data:
        return _of_array(np.asarray(image.convert("RGBA")))
    return _of_array(np.asarray(image if image.mode in ("1", "L") else image.convert("RGB")))


def _of_array(array: NDArray[Any]) -> Tensor:
    whites = {"bool": 1, "uint8": 255, "uint16": _WHITE}
    white = 1 if array.dtype.kind == "f" else whites.get(array.dtype.name)
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] <= 4)
    if white is None or not fits or array.size == 0:
        raise ConfigurationError(
            f"an array of {array.dtype} of shape {array.shape} is no picture; give (H, W) or (H, W, 1 to 4) of bytes, 16-bit "
            "numbers or floating point in [0, 1]"
        )
    values = array.astype(np.float32) / white
    if not (values.min() >= 0 and values.max() <= 1):
        raise ConfigurationError(
            f"an array of floating point from {values.min():g} to {values.max():g} is no picture; numbers in [0, 1] are"
        )
    return torch.from_numpy(values.reshape(*values.shape[:2], -1)).permute(2, 0, 1)
