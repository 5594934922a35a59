from math import nan

import pytest
import torch
from tests.tasks.full_size import bilinear
from torchmetrics import MeanAbsoluteError

from runner.tasks.regression import HeatMap


def test_loss_and_error_by_hand():
    prediction, target = torch.tensor([[[[0.5, 0.9, 0.1]]]]), torch.tensor([[[[0.0, 1.0, nan]]]])
    assert HeatMap().loss(prediction, target).item() == pytest.approx((0.5 + 0.1) / 2)
    meter = HeatMap().meter()
    meter.update(prediction, target)
    assert meter.compute() == pytest.approx({"error": 0.3}, rel=1e-6)


def test_a_pixel_without_label_gives_no_gradient():
    prediction = torch.tensor([[[[0.5, 0.9, 0.1]]]], requires_grad=True)
    HeatMap().loss(prediction, torch.tensor([[[[0.0, 1.0, nan]]]])).backward()
    assert prediction.grad.flatten().tolist() == [0.5, -0.5, 0]


def test_a_label_comes_down_by_its_mean_and_officially_as_a_sample():
    target = torch.zeros(1, 1, 5, 5)
    target[0, 0, 1, 2] = (
        1  # between the pixels 0, 2 and 4 on which the cells lie, and no pixel floor(5 i / 3) = 0, 1, 3
    )
    prediction = torch.zeros(1, 1, 3, 3)
    # half of the pixel in the cell on (0, 2), three pixels large within the image, half in that on (2, 2), four pixels large
    assert HeatMap().loss(prediction, target).item() == pytest.approx((0.5 / 3 + 0.5 / 4) / 9)
    assert HeatMap(metrics="official").loss(prediction, target) == 0


def test_error_is_that_of_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    meter, mae, errors = HeatMap().meter(), MeanAbsoluteError(), []
    for batch in (5, 2, 1):
        prediction = torch.randn(batch, 1, 6, 8, generator=generator).mul(256).round() / 256  # exact between cells
        target = torch.rand(batch, 1, 24, 32, generator=generator)
        target[torch.rand(target.shape, generator=generator) < 0.2] = nan
        meter.update(prediction, target)
        valid = ~target.isnan()
        full = bilinear(prediction, 4)[valid]
        mae.update(full, target[valid])
        errors.append((full - target[valid]).abs().double())
    assert meter.compute()["error"] == pytest.approx(mae.compute().item(), rel=1e-6)
    assert meter.compute()["error"] == pytest.approx(torch.cat(errors).mean().item(), rel=1e-12)


def test_a_broken_network_is_seen():
    meter = HeatMap().meter()
    meter.update(torch.full((1, 1, 2, 2), nan), torch.zeros(1, 1, 2, 2))
    assert str(meter.compute()["error"]) == "nan"
