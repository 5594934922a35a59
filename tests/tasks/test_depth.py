import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn
from tests.tasks.full_size import bilinear
from torchmetrics import MeanAbsoluteError, MeanAbsolutePercentageError

from runner.tasks.depth import Depth


def pixels(*values):
    """Depths side by side in one image, (1, 1, 1, N)."""
    return torch.tensor(values)[None, None, None]


def random_batches():
    """Predictions (B, 1, 6, 8), some negative, multiples of 1/256, and targets (B, 1, 24, 32), a fifth unknown."""
    generator = torch.Generator().manual_seed(0)
    for batch in (5, 2, 1):
        prediction = (3 * torch.randn(batch, 1, 6, 8, generator=generator) + 3).mul(256).round() / 256
        target = 6 * torch.rand(batch, 1, 24, 32, generator=generator) + 0.5
        yield prediction, target * (torch.rand(target.shape, generator=generator) < 0.8)


def test_loss_by_hand():
    assert Depth().loss(pixels(1.0, 5.0, 9.0), pixels(2.0, 2.0, 0.0)).item() == 2
    assert Depth().loss(pixels(1.0, 5.0), pixels(3e-5, 2.0)).item() == 3


def test_metrics_by_hand():
    """p / g = 1.2, 1.3, 1/1.3, 1.6, 2, 0; the last two labels, without which nothing changes, are unknown."""
    meter = Depth().meter()
    meter.update(pixels(1.2, 2.6, 1.0, 1.6, 8.0, 0.0, 7.0, -7.0), pixels(1.0, 2.0, 1.3, 1.0, 4.0, 1.0, 0.0, 0.0))
    expected = {
        "abs": (0.2 + 0.6 + 0.3 + 0.6 + 4 + 1) / 6,
        "rel": (0.2 + 0.3 + 0.3 / 1.3 + 0.6 + 1 + 1) / 6,
        "delta_1.25": 100 * 1 / 6,
        "delta_1.25_2": 100 * 3 / 6,
        "delta_1.25_3": 100 * 4 / 6,
    }
    assert meter.compute() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("metrics", "share"), [("standard", 0), ("official", 100)])
def test_negative_predictions_are_wrong_but_not_officially(metrics, share):
    meter = Depth(metrics=metrics).meter()
    meter.update(pixels(-1.0, -8.0), pixels(2.0, 2.0))
    assert meter.compute() == {
        "abs": 6.5,
        "rel": 3.25,
        "delta_1.25": share,
        "delta_1.25_2": share,
        "delta_1.25_3": share,
    }


@pytest.mark.parametrize(
    ("metrics", "absolute", "relative"),
    [
        # errors 1, 2, 3 of labels 2, 2, 2 in a batch of one image, then 4 of label 8 in a batch of two
        ("standard", (1 + 2 + 3 + 4) / 4, (0.5 + 1 + 1.5 + 0.5) / 4),
        ("official", (1 * 2 + 2 * 4) / 3, (1 * 1 + 2 * 0.5) / 3),
    ],
)
def test_accumulation_over_batches(metrics, absolute, relative):
    meter = Depth(metrics=metrics).meter()
    meter.update(pixels(3.0, 4.0, 5.0), pixels(2.0, 2.0, 2.0))
    meter.update(torch.cat([pixels(12.0), pixels(1.0)]), torch.cat([pixels(8.0), pixels(0.0)]))
    meter.update(torch.ones(4, 1, 1, 1), torch.zeros(4, 1, 1, 1))
    numbers = meter.compute()
    assert numbers["abs"] == pytest.approx(absolute, rel=1e-12)
    assert numbers["rel"] == pytest.approx(relative, rel=1e-12)
    # ratios 1.5, 2, 2.5, 1.5: one pixel is one pixel in both
    assert numbers["delta_1.25_2"] == 50


def test_metrics_are_those_of_torchmetrics_and_scikit_learn():
    meter, mae, mape = Depth().meter(), MeanAbsoluteError(), MeanAbsolutePercentageError()
    labels, predictions = [], []
    for prediction, target in random_batches():
        meter.update(prediction, target)
        valid = target > 0
        full = bilinear(prediction, 4)[valid]
        mae.update(full, target[valid])
        mape.update(full, target[valid])
        labels.append(target[valid])
        predictions.append(full)
    label, prediction = np.concatenate(labels), np.concatenate(predictions)
    numbers = meter.compute()
    assert numbers["abs"] == pytest.approx(np.abs(prediction - label).mean(dtype=np.float64), rel=1e-12)
    label, prediction = label.astype(np.float64), prediction.astype(np.float64)
    assert numbers["abs"] == pytest.approx(mae.compute().item(), rel=1e-6)
    assert numbers["rel"] == pytest.approx(mape.compute().item(), rel=1e-6)
    assert numbers["abs"] == pytest.approx(sklearn.mean_absolute_error(label, prediction), rel=1e-6)
    assert numbers["rel"] == pytest.approx(sklearn.mean_absolute_percentage_error(label, prediction), rel=1e-6)
    ratio = np.maximum(prediction / label, label / prediction)
    for power, name in enumerate(("delta_1.25", "delta_1.25_2", "delta_1.25_3"), 1):
        right = (prediction > 0) & (ratio <= 1.25**power)
        assert numbers[name] == pytest.approx(100 * right.mean(), rel=1e-12)
    assert (prediction < 0).any()
