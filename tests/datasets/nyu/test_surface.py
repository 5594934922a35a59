import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from runner.datasets.nyu.surface import normals_from_depth

FOCAL, CENTRE = (50.0, 60.0), (19.5, 14.5)


def depth_of_plane(normal: Tensor, distance: float, height: int = 30, width: int = 40) -> Tensor:
    """Depth (1, 1, H, W) of the plane normal . X = distance seen by the test camera."""
    u = (torch.arange(width, dtype=torch.float64) - CENTRE[0]) / FOCAL[0]
    v = ((torch.arange(height, dtype=torch.float64) - CENTRE[1]) / FOCAL[1])[:, None]
    return (distance / (normal[0] * u + normal[1] * v + normal[2]))[None, None]


def angles(normals: Tensor, expected: Tensor) -> Tensor:
    """Angle in degrees between (B, 3, H, W) and (3,); by the chord, exact for small angles."""
    chord = (normals - expected[:, None, None]).square().sum(1).sqrt()
    return torch.rad2deg(2 * torch.asin(chord / 2))


@pytest.mark.parametrize("direction", [(0.0, 0.0, -1.0), (0.3, -0.5, -0.8), (-0.6, 0.1, -0.5)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 0.05)])
def test_a_plane_has_its_own_normal_everywhere(
    direction: tuple[float, float, float], dtype: torch.dtype, tolerance: float
) -> None:
    normal = torch.tensor(direction, dtype=torch.float64)
    normal = normal / normal.norm()
    depth = depth_of_plane(normal, -2.0)
    found = normals_from_depth(depth.to(dtype), FOCAL, CENTRE, radius=4)
    assert found.dtype == dtype
    assert angles(found.double(), normal).max() < tolerance


def test_the_two_sides_of_an_edge_keep_their_own_normals() -> None:
    left, right = torch.tensor([[0.6, 0.0, -0.8], [0.0, -0.6, -0.8]], dtype=torch.float64)
    depth = depth_of_plane(left, -3.0)
    depth[..., 20:] = depth_of_plane(right, -1.5)[..., 20:]
    found = normals_from_depth(depth, FOCAL, CENTRE, radius=3)
    # The window moved by two begins one pixel before its pixel: only the pixels at the edge see the other side.
    assert angles(found, left)[..., :19].max() < 1e-6
    assert angles(found, right)[..., 21:].max() < 1e-6


def test_unknown_depth_has_no_normal_and_does_not_disturb_its_neighbours() -> None:
    normal = torch.tensor([0.0, 0.6, -0.8], dtype=torch.float64)
    depth = depth_of_plane(normal, -2.0)
    unknown = torch.rand(depth.shape, generator=torch.Generator().manual_seed(0)) < 0.4
    depth[unknown] = 0.0
    found = normals_from_depth(depth, FOCAL, CENTRE, radius=3)
    assert not found.transpose(0, 1)[:, unknown[0]].any()
    assert angles(found, normal)[~unknown[0]].max() < 1e-6


@pytest.mark.parametrize("points", [[(5, 5)], [(5, 5), (6, 7)], [(5, 5), (6, 6), (7, 7)]])
def test_too_few_known_pixels_give_no_normal(points: list[tuple[int, int]]) -> None:
    depth = torch.zeros(1, 1, 30, 40)
    for y, x in points:
        depth[0, 0, y, x] = 2.0
    found = normals_from_depth(depth, FOCAL, CENTRE, radius=3)
    assert torch.equal(found, torch.zeros(1, 3, 30, 40))


def test_agrees_with_the_published_normals_of_real_frames(shared: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(shared / "data/nyuv2/adashare_nyu_v2_samples4.zip").extractall(tmp_path)
    camera = ((518.857901, 519.469611), (325.582449, 253.736166))
    means, medians = [], []
    for depth_file in sorted(tmp_path.glob("**/depth/*.npy")):
        code = np.array(Image.open(depth_file.parents[1] / "normal_mask" / f"{depth_file.stem}.png"))
        labelled = torch.from_numpy((code != 255).any(-1))
        x, z, minus_y = torch.from_numpy(code).double().div(127.5).sub(1).unbind(-1)
        expected = torch.nn.functional.normalize(torch.stack([x, -minus_y, z]), dim=0)
        depth = torch.from_numpy(np.load(depth_file))[None, None]
        found = normals_from_depth(depth, *camera, radius=9)[0].double()
        angle = torch.rad2deg(torch.acos((found * expected).sum(0).clamp(-1, 1)))[labelled]
        means.append(float(angle.mean()))
        medians.append(float(angle.median()))
    assert len(means) == 4
    # Measured: 7.2 to 10.6 and 1.8 to 3.4 degrees.
    assert max(means) < 11
    assert max(medians) < 3.5
