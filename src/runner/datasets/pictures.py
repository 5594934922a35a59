"""Pictures of any mode as colours of eight bits: right, or refused by name."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from runner.datasets.sources import read_bytes
from runner.errors import DataError

# What Pillow reads without more, as cameras, browsers and programs name it.
ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2"),
)
WHITE = 65535  # of pictures of 16 bits


def read_colours(path: Path, remedy: str) -> Image.Image:
    """One picture in RGB, turned as its EXIF data say, what is transparent on white; of several in a file the first.

    Sixteen bits are brought to eight by their share of white. Raises `DataError` naming the file and what is wrong.
    """
    data = read_bytes(path, remedy)
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            ImageOps.exif_transpose(opened, in_place=True)
            return in_colours(opened)
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        reason = "in no form that Pillow knows" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{path} ({len(data)} bytes) is not a whole image: {reason}; {remedy}") from None


def in_colours(image: Image.Image) -> Image.Image:
    """A picture of any mode in RGB. `ValueError` for one that does not say what white is."""
    if image.mode == "F":
        raise ValueError(
            "its pixels are of floating point (mode F), which does not say what is white; save 8 or 16 bits"
        )
    if image.mode[0] == "I":  # I;16 and its byte orders, and I, in which Pillow holds some pictures of 16 bits
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > WHITE:
            raise ValueError(f"its pixels go from {values.min()} to {values.max()}; expected 0 to {WHITE}")
        image = Image.fromarray(((values * 255 + WHITE // 2) // WHITE).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")
