from math import nan

import pytest
import torch
from torch.nn import functional as F
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


def test_error_is_that_of_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    meter, mae, errors = HeatMap().meter(), MeanAbsoluteError(), []
    for batch in (5, 2, 1):
        prediction = torch.randn(batch, 1, 6, 8, generator=generator)
        target = torch.rand(batch, 1, 24, 32, generator=generator)
        target[torch.rand(target.shape, generator=generator) < 0.2] = nan
        meter.update(prediction, target)
        valid = ~target.isnan()
        full = F.interpolate(prediction, (24, 32))[valid]
        mae.update(full, target[valid])
        errors.append((full - target[valid]).abs().double())
    assert meter.compute()["error"] == pytest.approx(mae.compute().item(), rel=1e-6)
    assert meter.compute()["error"] == pytest.approx(torch.cat(errors).mean().item(), rel=1e-12)


def test_a_broken_network_is_seen():
    meter = HeatMap().meter()
    meter.update(torch.full((1, 1, 2, 2), nan), torch.zeros(1, 1, 2, 2))
    assert str(meter.compute()["error"]) == "nan"
