from math import exp, log, sqrt

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from runner.datasets import crops


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def one_random_box(height: int, width: int, areas: list[float], ratios: list[float], place: list[float]) -> list[int]:
    """The random resized crop as it is usually written, one image and one attempt after the other."""
    for area, ratio in zip(areas, ratios, strict=True):
        target = height * width * (0.08 + 0.92 * area)
        shape = exp(log(3 / 4) + (log(4 / 3) - log(3 / 4)) * ratio)
        w, h = round(sqrt(target * shape)), round(sqrt(target / shape))
        if 0 < w <= width and 0 < h <= height:
            return [int(place[0] * (height - h + 1)), int(place[1] * (width - w + 1)), h, w]
    raise AssertionError


def test_random_boxes_are_those_of_the_usual_loop() -> None:
    sides = torch.tensor([[128, 128], [90, 200], [333, 250], [64, 65]]).repeat(50, 1)
    boxes = crops.random_boxes(sides, seeded())
    generator = seeded()
    areas, ratios = (torch.rand(len(sides), 10, generator=generator, dtype=torch.float64) for _ in range(2))
    places = torch.rand(len(sides), 2, generator=generator, dtype=torch.float64)
    for number, (height, width) in enumerate(sides.tolist()):
        draws = (areas[number].tolist(), ratios[number].tolist(), places[number].tolist())
        assert boxes[number].tolist() == one_random_box(height, width, *draws)


def test_random_boxes_reach_every_edge_and_stay_inside() -> None:
    boxes = crops.random_boxes(torch.tensor([[20, 30]]).repeat(5000, 1), seeded())
    bottom_right = boxes[:, :2] + boxes[:, 2:]
    assert boxes[:, :2].amin(0).tolist() == [0, 0]
    assert bottom_right.amax(0).tolist() == [20, 30]
    # A square of the smallest area, 0.08 of 600, has sides of 6.9; the narrowest box 6.0.
    assert boxes[:, 2:].amin(0).tolist() == [6, 6]


def test_random_boxes_of_long_images_are_the_largest_centred() -> None:
    boxes = crops.random_boxes(torch.tensor([[10, 1000], [1000, 10]]), seeded())
    assert boxes.tolist() == [[0, 493, 10, 13], [493, 0, 13, 10]]


def test_draws_depend_on_the_generator_alone() -> None:
    sides = torch.tensor([[128, 100]]).repeat(8, 1)
    assert torch.equal(crops.random_boxes(sides, seeded(1)), crops.random_boxes(sides, seeded(1)))
    assert not torch.equal(crops.random_boxes(sides, seeded(1)), crops.random_boxes(sides, seeded(2)))


def resample_whole(image: Tensor, views: crops.Views, size: int) -> Tensor:
    rows, columns = (
        crops.resampling(
            views.start[:, axis], views.length[:, axis], torch.tensor([image.shape[axis]]), size, image.shape[axis]
        )
        for axis in (0, 1)
    )
    return crops.resample(image[None], rows, columns)[0]


def test_weights_by_hand() -> None:
    # Two pixels out of four: s = 2, centres 1 and 3, so pixels at 0.5, 1.5, 2.5 weigh 3/4, 3/4, 1/4 of 7/4 in the first.
    start, length, count = torch.zeros(1), torch.full((1,), 4.0), torch.tensor([4])
    weights = crops.resampling(start, length, count, 2, 5)
    expected = torch.tensor([[3 / 7, 3 / 7, 1 / 7, 0, 0], [0, 1 / 7, 3 / 7, 3 / 7, 0]])
    torch.testing.assert_close(weights[0], expected)


@pytest.mark.parametrize(("height", "width", "size"), [(37, 53, 16), (9, 11, 16), (16, 16, 16), (60, 10, 16)])
def test_resampling_a_box_is_antialiased_interpolation_of_the_crop(height: int, width: int, size: int) -> None:
    image = torch.randint(0, 256, (height, width, 3), generator=seeded(), dtype=torch.uint8)
    whole = torch.tensor([[0, 0, height, width]])
    views = crops.Views(whole[:, :2].double(), whole[:, 2:].double(), whole)
    expected = F.interpolate(
        image.permute(2, 0, 1)[None].double(), size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )
    torch.testing.assert_close(resample_whole(image, views, size).double(), expected[0], atol=2e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(50, 30), (30, 50), (40, 40), (15, 21)])
def test_centre_views_are_resize_then_crop(height: int, width: int) -> None:
    image = torch.randint(0, 256, (height, width, 3), generator=seeded(), dtype=torch.uint8)
    views = crops.centre_views(torch.tensor([[height, width]]), 14, 16)
    shorter = min(height, width)
    resized = [16 if side == shorter else 16 * side // shorter for side in (height, width)]
    whole = F.interpolate(image.permute(2, 0, 1)[None].double(), size=resized, mode="bilinear", antialias=True)[0]
    top, left = (round((side - 14) / 2) for side in resized)
    expected = whole[:, top : top + 14, left : left + 14]
    torch.testing.assert_close(resample_whole(image, views, 14).double(), expected, atol=2e-4, rtol=0)
    # What may be read is enough: the same from the box alone.
    y, x, h, w = views.boxes[0].tolist()
    inside = crops.Views(views.start - views.boxes[:, :2], views.length, views.boxes)
    torch.testing.assert_close(
        resample_whole(image[y : y + h, x : x + w], inside, 14).double(), expected, atol=2e-4, rtol=0
    )


def test_pad_and_crop_by_hand() -> None:
    image = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).expand(3, 1, 2, 2)
    offsets, flips = torch.tensor([[1, 1], [0, 2], [2, 1]]), torch.tensor([False, False, True])
    cropped = crops.pad_and_crop(image, offsets, flips, 1)
    assert cropped[:, 0].tolist() == [[[1, 2], [3, 4]], [[0, 0], [2, 0]], [[4, 3], [0, 0]]]


def test_offsets_cover_all_corners() -> None:
    offsets = crops.random_offsets(2000, 4, seeded())
    assert sorted(set(offsets[:, 0].tolist())) == list(range(9))
    assert sorted(set(offsets[:, 1].tolist())) == list(range(9))


def test_flips_are_fair() -> None:
    share = crops.random_flips(10_000, seeded()).double().mean().item()
    assert abs(share - 0.5) < 4 * 0.5 / 100  # four standard deviations


def test_normalise() -> None:
    images = torch.tensor([[[[0, 255]], [[51, 102]]]], dtype=torch.uint8)
    normalised = crops.normalise(images, (0.5, 0.2), (0.5, 0.1))
    torch.testing.assert_close(normalised, torch.tensor([[[[-1.0, 1.0]], [[0.0, 2.0]]]]))
    assert normalised.is_contiguous()
