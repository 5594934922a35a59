import io
import zipfile
from math import cos, radians, sin, sqrt

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tasks.full_size import bilinear
from torch.nn import functional as F
from torchmetrics.functional import pairwise_cosine_similarity

from runner.tasks.normals import Normals


def pixels(*vectors):
    """Vectors side by side in one image, (1, 3, 1, N)."""
    return torch.tensor(vectors, dtype=torch.float32).T[None, :, None]


def tilted(*degrees):
    return pixels(*((sin(radians(angle)), 0, -cos(radians(angle))) for angle in degrees))


TOWARDS = (0.0, 0.0, -1.0)


def random_batches(batches):
    """Predictions (B, 3, 6, 8) and targets (B, 3, 24, 32) around the viewing direction, a fifth without label."""
    generator = torch.Generator().manual_seed(0)
    for batch in batches:
        prediction = torch.randn(batch, 3, 6, 8, generator=generator) - torch.tensor([0, 0, 2.0])[:, None, None]
        target = F.interpolate(prediction, (24, 32)) + torch.randn(batch, 3, 24, 32, generator=generator)
        target = F.normalize(target) * (torch.rand(batch, 1, 24, 32, generator=generator) < 0.8)
        yield prediction, target


def test_loss_by_hand():
    target = pixels(TOWARDS, TOWARDS, TOWARDS, (0, 0, 0))
    prediction = pixels((0, 0, -7), (2, 0, 0), (0.03, 0, -0.03), (1, 1, 1))
    expected = ((1 - 1) + (1 - 0) + (1 - sqrt(0.5))) / 3
    assert Normals().loss(prediction, target).item() == pytest.approx(expected)
    assert Normals().loss(-target, target) == 2


def test_a_prediction_without_direction_has_cosine_zero_and_no_gradient():
    prediction = torch.zeros(1, 3, 1, 1, requires_grad=True)
    loss = Normals().loss(prediction, pixels(TOWARDS))
    loss.backward()
    assert loss == 1
    assert not prediction.grad.any()


def test_metrics_by_hand():
    """Angles 0, 11, 12, 22, 25, 35, 90, 180, one on each side of every limit and two in the middle."""
    degrees = (0, 11, 12, 22, 25, 35, 90, 180)
    meter = Normals().meter()
    meter.update(3 * tilted(*degrees, 45), pixels(*[TOWARDS] * 8, (0, 0, 0)))
    expected = {
        "mean": sum(degrees) / 8,
        "median": (22 + 25) / 2,
        "within_11.25": 100 * 2 / 8,
        "within_22.5": 100 * 4 / 8,
        "within_30": 100 * 5 / 8,
    }
    assert meter.compute() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("prediction", "angle", "share"),
    [((0, 0, -5), 0, 100), ((1, 0, 0), 90, 0), ((0, 0, 0.5), 180, 0), ((0, 0, 0), 90, 0)],
)
def test_right_opposite_and_no_direction_are_exact(prediction, angle, share):
    meter = Normals().meter()
    meter.update(pixels(prediction), pixels(TOWARDS))
    assert list(meter.compute().values()) == [angle, angle, share, share, share]


def test_metrics_are_those_of_acos_in_float64():
    meter, angles = Normals().meter(), []
    for prediction, target in random_batches((5, 2, 1)):
        meter.update(prediction, target)
        valid = target.any(1)
        full = bilinear(F.normalize(prediction.double()), 4).movedim(1, -1)[valid]
        cosine = F.cosine_similarity(full, target.movedim(1, -1)[valid].double())
        angles.append(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))))
    angle = torch.cat(angles).numpy()
    numbers = meter.compute()
    assert numbers["mean"] == pytest.approx(angle.mean(), rel=1e-6)
    assert numbers["median"] == pytest.approx(np.median(angle), rel=1e-6)
    for limit in (11.25, 22.5, 30):
        assert numbers[f"within_{limit}"] == pytest.approx(100 * np.mean(angle <= limit), rel=1e-12)


def test_loss_is_that_of_torchmetrics():
    ((prediction, target),) = random_batches((4,))
    label = target[:, :, ::4, ::4].movedim(1, -1)
    valid = label.any(-1)
    pairs = pairwise_cosine_similarity(prediction.movedim(1, -1)[valid], label[valid])
    torch.testing.assert_close(Normals().loss(prediction, target), 1 - pairs.diagonal().mean(), rtol=1e-6, atol=0)


def test_raw_coding_by_hand():
    """(0, 0, -1) is stored as red, green, blue = 127.5, 0, 127.5; read in reverse it points along (1, 0, 1)."""
    task = Normals(coding="raw")
    target = pixels(TOWARDS)
    assert task.loss(pixels((4, 0, 4)), target).item() == pytest.approx(0, abs=1e-6)
    assert task.loss(pixels((0, 0, 1)), target).item() == pytest.approx(1 - sqrt(0.5))
    # (0, -1, 0), straight up, is stored as 127.5, 127.5, 255: along (2, 1, 1) in reverse
    assert task.loss(pixels((2, 1, 1)), pixels((0, -1, 0))).item() == pytest.approx(0, abs=1e-6)
    meter = task.meter()
    meter.update(pixels((0, 0, 1), (1, 1, 1)), pixels(TOWARDS, (0, 0, 0)))
    assert meter.compute()["mean"] == pytest.approx(45, rel=1e-6)


def test_raw_coding_shrinks_angles():
    """Random pairs lie in the positive octant, so they are nearer to each other than the normals are."""
    normals = F.normalize(torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0)))
    centred, raw = Normals().meter(), Normals(coding="raw").meter()
    centred.update(normals[:1], normals[1:])
    raw.update(Normals(coding="raw").directions(normals[:1]), normals[1:])
    assert centred.compute()["mean"] == pytest.approx(90, abs=3)
    assert raw.compute()["mean"] < 60


def test_raw_coding_is_that_of_the_official_images(shared):
    """From decoded unit normals back to the direction of the stored colours, to the 8 bits they are stored in."""
    with zipfile.ZipFile(shared / "data/nyuv2/adashare_nyu_v2_samples4.zip") as archive:
        stored = np.array(Image.open(io.BytesIO(archive.read("nyu_v2_samples/normal_mask/0295.png"))), dtype=np.float32)
    coded = torch.from_numpy(stored).movedim(-1, 0)[None]
    x, z, up = (coded / 127.5 - 1).unbind(1)
    decoded = torch.stack((x, -up, z), 1)
    length = decoded.norm(dim=1, keepdim=True)
    target = torch.where((coded.amax(1, keepdim=True) < 255) & (length > 0.9), decoded / length, 0)
    meter = Normals(coding="raw").meter()
    meter.update(coded.flip(1), target)
    numbers = meter.compute()
    assert numbers["mean"] < 0.2
    assert numbers["within_11.25"] == 100


def test_cosine_by_hand():
    """cos 0° = 1, cos 60° = 0.5, cos 90° = 0; the pixel without a label does not count."""
    task = Normals(judged_by="cosine")
    meter = task.meter()
    target = pixels(TOWARDS, TOWARDS, TOWARDS, (0, 0, 0))
    meter.update(tilted(0, 60, 90, 10), target)
    assert meter.compute()["cosine"] == pytest.approx(0.5)
    assert task.higher_is_better == {"cosine": True}
    assert "cosine" not in Normals().meter().compute()
