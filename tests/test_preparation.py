"""A picture becomes what a network takes: every kind of picture, its size, its colours and their order."""

import numpy as np
import pytest
import torch
from PIL import Image

from runner.errors import ConfigurationError, DataError
from runner.preparation import Preparation, colours_of

IN_ORDER = Preparation(size=(3, 5), mean=(0.0,) * 3, std=(1.0,) * 3)
GREY = Preparation(size=(3, 5), mean=(0.0,), std=(1.0,), channels="L")
RED = (200, 40, 60)
PIXEL = Image.new("RGB", (5, 3), RED)  # 5 wide, 3 high


def colour_of(picture, preparation=IN_ORDER):
    """The one colour of a picture, in grey levels of 0 to 255."""
    inputs = preparation(colours_of(picture))
    assert inputs.shape == (1, len(preparation.mean), 3, 5)
    colours = inputs[0].flatten(1)
    assert torch.equal(colours, colours[:, :1].expand(-1, 15))
    return (255 * colours[:, 0]).tolist()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX"])
def test_colours_are_kept(mode):
    assert colour_of(PIXEL.convert(mode)) == pytest.approx(RED)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "P"])
def test_other_colour_spaces_become_red_green_blue_as_pillow_has_them(mode):
    image = PIXEL.quantize(2) if mode == "P" else PIXEL.convert(mode)
    assert image.mode == mode
    assert colour_of(image) == pytest.approx(image.convert("RGB").getpixel((0, 0)))


@pytest.mark.parametrize(
    ("image", "level"),
    [
        (Image.new("1", (5, 3), 1), 255),
        (Image.new("L", (5, 3), 77), 77),
        (Image.new("I;16", (5, 3), 51 * 257), 51),
        (Image.new("I;16B", (5, 3), 51 * 257), 51),
        (Image.new("I", (5, 3), 51 * 257), 51),
        (Image.new("I", (5, 3), 2**20), 255),
        (Image.new("LA", (5, 3), (77, 255)), 77),
    ],
)
def test_grey_pictures_of_every_depth_serve_for_colours_and_for_grey(image, level):
    assert colour_of(image) == pytest.approx([level] * 3, abs=1e-3)
    assert colour_of(image, GREY) == pytest.approx([level], abs=1e-3)


def test_what_is_transparent_is_white():
    half = Image.new("RGBA", (5, 3), (*RED, 51))  # a fifth of opacity: a fifth of the colour, four of white
    assert colour_of(half) == pytest.approx([0.2 * level + 0.8 * 255 for level in RED])
    assert colour_of(Image.new("LA", (5, 3), (0, 0))) == [255, 255, 255]
    palette = PIXEL.quantize(2)
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert colour_of(palette) == [255, 255, 255]


def test_grey_of_colours_is_theirs_as_pillow_has_it():
    assert colour_of(PIXEL, GREY) == pytest.approx([0.299 * 200 + 0.587 * 40 + 0.114 * 60])
    assert round(colour_of(PIXEL, GREY)[0]) == PIXEL.convert("L").getpixel((0, 0))


def test_channels_come_in_the_order_asked_for_less_their_own_means():
    official = Preparation(size=(3, 5), channels="BGR", mean=(0.1, 0.2, 0.3), std=(1 / 255, 0.5, 1.0))
    found = official(colours_of(PIXEL))[0, :, 0, 0]
    expected = [(60 / 255 - 0.1) * 255, (40 / 255 - 0.2) / 0.5, 200 / 255 - 0.3]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "array",
    [
        np.array(PIXEL),
        np.array(PIXEL.convert("RGBA")),
        np.array(PIXEL).astype(np.uint16) * 257,
        np.array(PIXEL) / 255,
        (np.array(PIXEL) / 255).astype(np.float32),
    ],
)
def test_arrays_of_every_type_are_pictures(array):
    assert colour_of(array) == pytest.approx(RED, abs=1e-3)
    grey = array[..., 0]
    assert colour_of(grey) == colour_of(grey[..., None]) == pytest.approx([200] * 3, abs=1e-3)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 5, 3), np.int32), r"an array of int32 of shape \(3, 5, 3\) is no picture"),
        (np.zeros((3, 5, 5), np.uint8), r"of shape \(3, 5, 5\) is no picture"),
        (np.zeros((0, 5), np.uint8), r"of shape \(0, 5\) is no picture"),
        (np.array([[0.5, 255.0]]), "floating point from 0.5 to 255 is no picture"),
        (np.array([[0.5, np.nan]]), "floating point from nan to nan is no picture"),
    ],
)
def test_other_arrays_are_not(array, said):
    with pytest.raises(ConfigurationError, match=said):
        colours_of(array)


def test_a_picture_of_floating_point_does_not_say_what_is_white(tmp_path):
    with pytest.raises(ConfigurationError, match=r"floating point \(mode F\)"):
        colours_of(Image.new("F", (5, 3)))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "gif"])
def test_files_are_read_whatever_their_format(tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    PIXEL.save(path, **({"quality": 95} if suffix in ("jpg", "webp") else {}))
    assert colour_of(path) == pytest.approx(RED, abs=3)  # what JPEG and WebP lose in a plain colour
    assert colour_of(str(path)) == colour_of(path)


def test_pictures_are_turned_as_their_camera_was(tmp_path):
    picture = Image.fromarray(np.arange(15, dtype=np.uint8).reshape(3, 5) * 17)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise to see it upright
    picture.save(tmp_path / "turned.png", exif=exif)
    found = colours_of(tmp_path / "turned.png")
    assert found.shape == (1, 5, 3)
    upright = np.rot90(np.array(picture), -1)
    assert torch.equal(255 * found[0], torch.from_numpy(upright.copy()).float())


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    PIXEL.resize((64, 64)).save(tmp_path / "half.bmp")
    (tmp_path / "half.bmp").write_bytes((tmp_path / "half.bmp").read_bytes()[:2000])
    for name, reason in (
        ("text.png", "no picture that Pillow knows"),
        ("half.bmp", "truncated"),
        ("none.png", "No such file"),
        (".", "Is a directory"),
    ):
        with pytest.raises(DataError, match=reason) as raised:
            colours_of(tmp_path / name)
        assert str(tmp_path / name) in str(raised.value)


def test_the_whole_picture_is_resized_or_its_centre_in_proportion():
    picture = np.random.default_rng(0).random((40, 30, 3))
    whole = torch.from_numpy(picture).permute(2, 0, 1)[None]

    def resized(height, width):
        return torch.nn.functional.interpolate(whole, (height, width), mode="bilinear", antialias=True)

    torch.testing.assert_close(IN_ORDER(colours_of(picture)).double(), resized(3, 5), atol=1e-6, rtol=0)
    centred = Preparation(size=(8, 8), mean=(0.0,) * 3, std=(1.0,) * 3, shorter_side=9)
    # 9 wide and 9 40 / 30 = 12 high; the centre begins 2 lines down and, 1/2 rounded to even, 0 columns in
    expected = resized(12, 9)[..., 2:10, 0:8]
    torch.testing.assert_close(centred(colours_of(picture)).double(), expected, atol=1e-6, rtol=0)


def test_it_is_the_same_again_from_plain_values():
    for preparation in (
        IN_ORDER,
        GREY,
        Preparation(size=(8, 8), mean=(0.1,), std=(2.0,), channels="L", shorter_side=9),
    ):
        assert Preparation.from_recorded(preparation.recorded()) == preparation


def test_unknown_channels_are_refused():
    with pytest.raises(ConfigurationError, match="channels=CMYK is not allowed"):
        Preparation(size=(8, 8), mean=(0.0,) * 4, std=(1.0,) * 4, channels="CMYK")
