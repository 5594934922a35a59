import numpy as np
import pytest
import torch

from runner.datasets.nyu.normals import decode, derive, encode


def test_codes_of_the_axes() -> None:
    axes = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, -1], [0, 0, 0]]], dtype=np.float32)
    # (x, z, -y) -> (c + 1) / 2 * 255, halves to the even number
    assert encode(axes)[0].tolist() == [[255, 128, 128], [128, 128, 0], [128, 0, 128], [255, 255, 255]]
    found = decode(torch.from_numpy(encode(axes)).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    assert not found[..., 3:, :].any()
    torch.testing.assert_close(found[0], torch.from_numpy(axes)[0], rtol=0, atol=0.006)


def test_only_white_means_none() -> None:
    codes = torch.tensor([[255, 255, 255], [255, 255, 254], [254, 255, 255], [0, 0, 0]], dtype=torch.uint8)
    lengths = decode(codes.T.reshape(1, 3, 2, 2)).square().sum(1).sqrt()
    torch.testing.assert_close(lengths.flatten(), torch.tensor([0.0, 1.0, 1.0, 1.0]))


def test_coding_turns_a_vector_by_less_than_half_a_degree() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 200, 3))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    found = decode(torch.from_numpy(encode(vectors)).permute(2, 0, 1)[None])[0].permute(1, 2, 0).double().numpy()
    angle = np.degrees(2 * np.arcsin(np.linalg.norm(found - vectors, axis=-1) / 2))
    assert angle.max() < 0.4
    assert angle.mean() == pytest.approx(0.17, abs=0.005)


@pytest.mark.parametrize(("height", "width"), [(480, 640), (120, 160)])
def test_derived_normals_know_the_camera_at_every_resolution(height: int, width: int) -> None:
    normal, scale = np.array([0.28, -0.6, -0.75]), width / 640
    normal /= np.linalg.norm(normal)
    # Pixel centres lie at halves: of the pixel (i, j) at this size (i + 0.5) / scale - 0.5 at 640 x 480.
    x, y = (np.arange(width) + 0.5) / scale - 0.5, (np.arange(height) + 0.5) / scale - 0.5
    u, v = (x - 325.582449) / 518.857901, ((y - 253.736166) / 519.469611)[:, None]
    depth = (-2.0 / (normal[0] * u + normal[1] * v + normal[2])).astype(np.float32)
    assert (depth > 0).all()
    angle = np.degrees(2 * np.arcsin(np.linalg.norm(derive(depth) - normal, axis=-1) / 2))
    assert angle.max() < 0.1
