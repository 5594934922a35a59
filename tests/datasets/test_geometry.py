from math import nan

import pytest
import torch
from torch import Tensor

from runner.datasets.geometry import Placement, augment, draw_placement, place
from runner.datasets.nyu.surface import normals_from_depth
from runner.tasks.targets import Target

KINDS = {
    "classes": Target("labels", 255),
    "directions": Target("normals", 0.0),
    "metres": Target("depth", 0.0),
    "disparity": Target("inverse depth", 0.0),
    "edges": Target("heat map", nan),
}


def placement(scale: float, *, mirrored: bool = False, top: int = 0, left: int = 0, count: int = 1) -> Placement:
    return Placement(
        torch.full((count,), scale, dtype=torch.float64),
        torch.full((count,), mirrored),
        torch.full((count,), top),
        torch.full((count,), left),
    )


def scene(count: int = 2, height: int = 12, width: int = 17) -> tuple[Tensor, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(5)
    normals = torch.nn.functional.normalize(torch.randn(count, 3, height, width, generator=generator), dim=1)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator), {
        "classes": torch.randint(0, 40, (count, height, width), generator=generator),
        "directions": normals,
        "metres": torch.rand(count, 1, height, width, generator=generator) + 1,
        "edges": torch.rand(count, 1, height, width, generator=generator),
        "disparity": torch.rand(count, 1, height, width, generator=generator),
    }


@pytest.mark.parametrize("official", [False, True])
def test_an_unscaled_crop_is_the_slice_itself(official: bool) -> None:
    images, targets = scene()
    crops, cropped = place(
        images, targets, KINDS, placement(1.0, top=3, left=5, count=2), crop=(7, 9), official=official
    )
    assert crops.dtype == torch.float32
    assert torch.equal(crops, images[..., 3:10, 5:14].float())
    for name, target in targets.items():
        assert torch.equal(cropped[name], target[..., 3:10, 5:14])
        assert cropped[name].dtype == target.dtype


def test_mirroring_flips_columns_and_turns_normals() -> None:
    images, targets = scene()
    crops, mirrored = place(images, targets, KINDS, placement(1.0, mirrored=True, count=2), crop=(12, 17))
    assert torch.equal(crops, images.flip(-1).float())
    for name in ("classes", "metres", "disparity", "edges"):
        assert torch.equal(mirrored[name], targets[name].flip(-1))
    x, y, z = targets["directions"].flip(-1).unbind(1)
    assert torch.equal(mirrored["directions"], torch.stack([-x, y, z], 1))


def test_mirroring_twice_changes_nothing() -> None:
    images, targets = scene()
    twice, back = place(
        *place(images, targets, KINDS, placement(1.0, mirrored=True, count=2), crop=(12, 17)),
        KINDS,
        placement(1.0, mirrored=True, count=2),
        crop=(12, 17),
    )
    assert torch.equal(twice, images.float())
    assert all(torch.equal(back[name], target) for name, target in targets.items())


def test_the_crop_of_a_mirrored_image_is_the_mirrored_crop_at_the_other_side() -> None:
    images, _ = scene()
    mirrored, _ = place(images, {}, {}, placement(1.3, mirrored=True, top=2, left=4, count=2), crop=(9, 10))
    # 17 columns are int(22.1) = 22 when scaled; columns 4 to 13 from the right are 8 to 17 from the left.
    plain, _ = place(images, {}, {}, placement(1.3, top=2, left=8, count=2), crop=(9, 10))
    assert torch.equal(mirrored, plain.flip(-1))


def test_doubling_interpolates_images_and_repeats_labels() -> None:
    image = torch.tensor([[[[0.0, 4.0], [8.0, 16.0]]]])
    crop, targets = place(image, {"classes": torch.tensor([[[1, 2], [3, 4]]])}, KINDS, placement(2.0), crop=(4, 4))
    # Weights 1/4 and 3/4 between the centres, the edge continued: by hand.
    assert crop[0, 0].tolist() == [[0, 1, 3, 4], [2, 3.25, 5.75, 7], [6, 7.75, 11.25, 13], [8, 10, 14, 16]]
    assert targets["classes"][0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_halving_takes_the_middle_of_two_pixels() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4)
    crop, _ = place(image, {}, {}, placement(0.5), crop=(2, 2))
    assert crop[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_bilinear_agrees_with_torch_interpolate() -> None:
    images, _ = scene()
    crop, _ = place(images, {}, {}, placement(1.5, count=2), crop=(18, 25))
    # In double precision, for its coordinates are as exact as its numbers.
    expected = torch.nn.functional.interpolate(images.double(), scale_factor=1.5, mode="bilinear")
    torch.testing.assert_close(crop.double(), expected, rtol=0, atol=5e-5)


def test_outside_the_image_is_unlabelled_and_filled() -> None:
    images, targets = scene()
    crops, cropped = place(
        images, targets, KINDS, placement(1.0, top=-2, left=-3, count=2), crop=(16, 22), fill=(1.0, 2.0, 3.0)
    )
    outside = torch.ones(16, 22, dtype=torch.bool)
    outside[2:14, 3:20] = False
    assert torch.equal(crops[..., 2:14, 3:20], images.float())
    assert crops[:, :, outside].unique(dim=2).flatten(1).tolist() == [[1, 2, 3]] * 2
    assert (cropped["classes"][:, outside] == 255).all()
    assert not cropped["directions"][:, :, outside].any()
    assert not cropped["metres"][:, :, outside].any()
    assert cropped["edges"][:, :, outside].isnan().all()
    assert not cropped["disparity"][:, :, outside].any()
    for name in KINDS:
        assert torch.equal(cropped[name][..., 2:14, 3:20], targets[name])


def test_scaling_brings_the_scene_nearer() -> None:
    targets = {
        "metres": torch.tensor([[[[3.0]]]]),
        "disparity": torch.tensor([[[[3.0]]]]),
        "directions": torch.tensor([0.6, 0.0, -0.8]).view(1, 3, 1, 1),
    }
    image = torch.zeros(1, 3, 1, 1)
    _, seen = place(image, targets, KINDS, placement(2.0), crop=(1, 1))
    assert seen["metres"].item() == 1.5
    assert seen["disparity"].item() == 6.0
    # z doubled and the length, the root of 2.92, divided out
    torch.testing.assert_close(
        seen["directions"].flatten(), torch.tensor([0.351123, 0.0, -0.936329]), rtol=0, atol=1e-6
    )
    _, kept = place(image, targets, KINDS, placement(2.0, mirrored=True), crop=(1, 1), official=True)
    assert all(torch.equal(kept[name], target) for name, target in targets.items())


def test_unlabelled_normals_and_depth_stay_so() -> None:
    targets = {"metres": torch.zeros(1, 1, 4, 4), "directions": torch.zeros(1, 3, 4, 4)}
    _, seen = place(torch.zeros(1, 3, 4, 4), targets, KINDS, placement(1.7, mirrored=True), crop=(5, 5))
    assert not seen["metres"].any()
    assert not seen["directions"].any()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.5, 1 / 3])
def test_normals_stay_those_of_the_depth(scale: float, mirrored: bool) -> None:
    """Of scaled and mirrored planes; factors 1/n read every n-th pixel, so that nothing is rounded."""
    focal, centre, (height, width) = 40.0, (29.5, 20.5), (42, 60)
    normal = torch.tensor([0.48, -0.36, -0.8], dtype=torch.float64)
    u = (torch.arange(width, dtype=torch.float64) - centre[0]) / focal
    v = ((torch.arange(height, dtype=torch.float64) - centre[1]) / focal)[:, None]
    depth = (-2.0 / (normal[0] * u + normal[1] * v + normal[2]))[None, None]
    targets = {"metres": depth, "directions": normal.view(1, 3, 1, 1).expand(1, 3, height, width)}
    top, left, crop = 1, 2, (11, 15)
    _, seen = place(
        torch.zeros(1, 3, height, width),
        targets,
        KINDS,
        placement(scale, mirrored=mirrored, top=top, left=left),
        crop=crop,
    )

    step, scaled_width = round(1 / scale), int(width * scale)
    x, y = ((pixel - step // 2) / step for pixel in centre)  # pixel step * i + step // 2 of the source is pixel i
    x = scaled_width - 1 - x if mirrored else x
    derived = normals_from_depth(seen["metres"], (focal, focal), (x - left, y - top), radius=3)
    torch.testing.assert_close(derived, seen["directions"], rtol=0, atol=1e-9)


def test_four_numbers_a_sample_whatever_is_switched_on() -> None:
    images, targets = scene()
    after = []
    for scale, mirror in (((1.0, 1.0), False), ((0.5, 1.5), True)):
        generator = torch.Generator().manual_seed(3)
        augment(images, targets, KINDS, generator, crop=(5, 6), scale=scale, mirror=mirror)
        after.append(torch.rand(1, generator=generator).item())
    generator = torch.Generator().manual_seed(3)
    torch.rand(2, 4, dtype=torch.float64, generator=generator)
    assert after == [torch.rand(1, generator=generator).item()] * 2


def test_same_generator_same_crops() -> None:
    images, targets = scene()
    first, second, other = (
        augment(images, targets, KINDS, torch.Generator().manual_seed(seed), crop=(5, 6), scale=(0.5, 1.5))[0]
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_placements_are_uniform() -> None:
    count, size, crop = 20_000, (20, 30), (17, 24)
    drawn = draw_placement(count, size, crop, torch.Generator().manual_seed(0), scale=(0.5, 1.5))
    assert drawn.scale.min() >= 0.5
    assert drawn.scale.max() < 1.5
    assert drawn.scale.mean().item() == pytest.approx(1.0, abs=0.01)
    assert drawn.mirrored.double().mean().item() == pytest.approx(0.5, abs=0.015)

    fixed = draw_placement(count, size, crop, torch.Generator().manual_seed(0), mirror=False)
    assert not fixed.mirrored.any()
    for first, positions in ((fixed.top, 4), (fixed.left, 7)):
        counts = torch.bincount(first, minlength=positions)
        assert len(counts) == positions
        assert (counts / count - 1 / positions).abs().max() < 0.012


def test_small_images_are_centred() -> None:
    drawn = draw_placement(1, (10, 40), (17, 24), torch.Generator().manual_seed(0), mirror=False)
    assert drawn.top.item() == -3  # 7 rows to fill: 3 above, 4 below
    assert 0 <= drawn.left.item() <= 16


def test_what_has_no_label_is_what_the_target_says() -> None:
    void = {"classes": Target("labels", -1)}
    _, cropped = place(
        torch.zeros(1, 3, 4, 4), {"classes": torch.zeros(1, 4, 4).long()}, void, placement(1.0, top=-1), crop=(5, 4)
    )
    assert cropped["classes"][0].unique(dim=1).flatten().tolist() == [-1, 0, 0, 0, 0]
