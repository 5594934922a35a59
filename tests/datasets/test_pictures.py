"""Pictures of every mode: right, or refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runner.datasets.pictures import read_colours
from runner.errors import DataError
from runner.preparation import colours_of

RAMP = np.linspace(0, 65535, 576).reshape(24, 24).astype(np.uint16)


GREY = Image.fromarray((RAMP // 257).astype(np.uint8))
COLOUR = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8))
HALF = Image.fromarray(np.dstack([np.asarray(COLOUR), np.where(np.mgrid[:24, :24][0] < 12, 0, 255)]).astype(np.uint8))
ON_WHITE = np.where(np.mgrid[:24, :24][0][..., None] < 12, 255, np.asarray(COLOUR))
TURNED = Image.Exif()
TURNED[0x0112] = 6  # orientation: turn by 90 degrees clockwise to see it upright

MODES: dict[
    str, tuple[Image.Image, str, dict[str, Any], Any, int]
] = {  # picture, ending, how saved, colours, tolerance
    "grey 16 bits": (Image.fromarray(RAMP), "png", {}, GREY.convert("RGB"), 1),
    "grey 16 bits, big-endian": (Image.fromarray(RAMP.astype(">u2")), "tif", {}, GREY.convert("RGB"), 1),
    "grey in 32 bits": (Image.fromarray(RAMP.astype(np.int32)), "tif", {}, GREY.convert("RGB"), 1),
    "grey": (GREY, "png", {}, GREY.convert("RGB"), 0),
    "one bit": (GREY.convert("1"), "png", {}, GREY.convert("1").convert("RGB"), 0),
    "palette": (COLOUR.quantize(16), "png", {}, COLOUR.quantize(16).convert("RGB"), 0),
    "palette, one colour transparent": (COLOUR.quantize(2), "png", {"transparency": 0}, None, 0),
    "opacity": (HALF, "png", {}, ON_WHITE, 0),
    "grey and opacity": (HALF.convert("LA"), "png", {}, None, 0),
    "CMYK": (COLOUR.convert("CMYK"), "tif", {}, COLOUR, 0),
    "YCbCr": (COLOUR.convert("YCbCr"), "tif", {}, COLOUR, 3),
    "turned by EXIF": (COLOUR, "png", {"exif": TURNED}, COLOUR.transpose(Image.Transpose.ROTATE_270), 0),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_right(mode: str, tmp_path: Path) -> None:
    picture, ending, options, expected, tolerance = MODES[mode]
    path = tmp_path / f"1.{ending}"
    picture.save(path, **options)
    found = np.asarray(read_colours(path, "again")).astype(int)
    if expected is not None:
        assert np.abs(found - np.asarray(expected)).max() <= tolerance
    # what an exported network is given of the same file
    shown = colours_of(path)
    if len(shown) in (2, 4):
        shown = shown[:-1] * shown[-1:] + 1 - shown[-1:]
    shown = shown.expand(3, -1, -1).permute(1, 2, 0) * 255
    assert np.abs(found - shown.numpy()).max() <= 1


def test_pixels_without_a_white_are_refused_by_name(tmp_path: Path) -> None:
    for number, values in enumerate((RAMP.astype(np.float32), RAMP.astype(np.int32) - 9, RAMP.astype(np.int32) + 9)):
        path = tmp_path / f"{number}.tif"
        Image.fromarray(values).save(path)
        with pytest.raises(
            DataError, match=rf"{number}.tif \(\d+ bytes\) .*its pixels (are of floating point|go from)"
        ):
            read_colours(path, "again")
