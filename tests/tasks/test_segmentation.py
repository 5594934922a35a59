from math import isnan, log

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn
from tests.tasks.full_size import bilinear
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from runner.tasks.segmentation import Segmentation

# predicted classes (2, 2, 2) against labels with one void pixel in each image
PREDICTED = torch.tensor([[[0, 0], [1, 1]], [[2, 0], [2, 2]]])
LABELS = torch.tensor([[[0, 1], [1, 255]], [[1, 0], [255, 0]]])


def one_hot(classes, count):
    return F.one_hot(classes, count).movedim(-1, 1).float()


def test_channels():
    assert Segmentation(classes=40).channels == 40
    assert Segmentation(40).kind == "dense"


def test_loss_by_hand():
    prediction = torch.zeros(1, 2, 1, 2)
    prediction[0, 1, 0, 1] = log(3)  # probabilities (1/2, 1/2) and (1/4, 3/4)
    target = torch.tensor([[[0, 0]]])
    assert Segmentation(2).loss(prediction, target).item() == pytest.approx((log(2) + log(4)) / 2)
    target = torch.tensor([[[0, 1]]])
    assert Segmentation(2).loss(prediction, target).item() == pytest.approx((log(2) + log(4 / 3)) / 2)
    weighted = Segmentation(2, weights=(3.0, 1.0)).loss(prediction, target).item()
    assert weighted == pytest.approx((3 * log(2) + log(4 / 3)) / 4)
    assert Segmentation(2, ignore=0).loss(prediction, target).item() == pytest.approx(log(4 / 3))


@pytest.mark.parametrize("weights", [(), (0.5, 2.0, 1.0, 0.1, 7.0)])
@pytest.mark.parametrize("ignore", [255, -1])
def test_loss_is_cross_entropy_of_torch(weights, ignore):
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(3, 5, 6, 7, generator=generator)
    target = torch.randint(0, 5, (3, 6, 7), generator=generator)
    target[torch.rand(3, 6, 7, generator=generator) < 0.3] = ignore
    loss = Segmentation(5, ignore=ignore, weights=weights).loss(prediction, target)
    weight = torch.tensor(weights) if weights else None
    torch.testing.assert_close(loss, F.cross_entropy(prediction, target, weight, ignore_index=ignore))


def test_standard_metrics_by_hand():
    """Classes 0, 1, 2 have right/label/predicted = 2/3/3, 1/3/1, 0/0/2; class 3 never occurs; 6 pixels are valid."""
    meter = Segmentation(4).meter()
    meter.update(one_hot(PREDICTED, 4), LABELS)
    expected = {"miou": 100 * (2 / 4 + 1 / 3 + 0) / 3, "pixel_accuracy": 100 * 3 / 6}
    assert meter.compute() == pytest.approx(expected, rel=1e-12)


def test_official_metrics_by_hand():
    """Class 2 is dropped for its zero intersection; the two batches have the same weight; a void of -1 counts as wrong."""
    for void, accuracy in ((255, (2 / 3 + 1 / 3) / 2), (-1, (2 / 4 + 1 / 4) / 2)):
        meter = Segmentation(4, ignore=void, metrics="official").meter()
        labels = LABELS.where(LABELS != 255, void)
        for image in (0, 1):
            meter.update(one_hot(PREDICTED[[image]], 4), labels[[image]])
        expected = {"miou": 100 * (2 / 4 + 1 / 3) / 2, "pixel_accuracy": 100 * accuracy}
        assert meter.compute() == pytest.approx(expected, rel=1e-12)


def test_official_accuracy_weighs_batches_by_images_not_pixels():
    """2 images with 1 of 2 labelled pixels right, then 1 image with 4 of 4: (2 * 1/2 + 1 * 1) / 3, not 5/6."""
    task = Segmentation(3, metrics="official")
    meter, labels = task.meter(), torch.full((2, 2, 2), 255)
    labels[0, 0, 0], labels[1, 0, 0] = 0, 1
    meter.update(one_hot(torch.zeros(2, 2, 2, dtype=torch.int64), 3), labels)
    meter.update(one_hot(torch.full((1, 2, 2), 2), 3), torch.full((1, 2, 2), 2))
    meter.update(one_hot(torch.full((5, 2, 2), 2), 3), torch.full((5, 2, 2), 255))
    assert meter.compute() == pytest.approx({"miou": 100 * (1 / 2 + 1) / 2, "pixel_accuracy": 200 / 3}, rel=1e-12)


def test_nothing_right_is_zero_not_nan():
    for metrics in ("standard", "official"):
        meter = Segmentation(3, metrics=metrics).meter()
        meter.update(one_hot(torch.zeros(1, 2, 2, dtype=torch.int64), 3), torch.ones(1, 2, 2, dtype=torch.int64))
        assert meter.compute() == {"miou": 0, "pixel_accuracy": 0}


def test_metrics_are_those_of_torchmetrics_and_scikit_learn():
    """Random data of unequal batches with void; the last two of 9 classes never occur."""
    generator = torch.Generator().manual_seed(0)
    meter = Segmentation(9).meter()
    jaccard = MulticlassJaccardIndex(9, ignore_index=255)
    accuracy = MulticlassAccuracy(9, average="micro", ignore_index=255)
    labels, predictions = [], []
    for batch in (5, 2, 1):
        prediction = torch.randn(batch, 9, 6, 8, generator=generator)
        prediction[:, 7:] = -99
        label = torch.randint(0, 7, (batch, 24, 32), generator=generator)
        label[torch.rand(label.shape, generator=generator) < 0.2] = 255
        meter.update(prediction, label)
        full = bilinear(prediction, 4).argmax(1)
        jaccard.update(full, label)
        accuracy.update(full, label)
        labels.append(label.flatten())
        predictions.append(full.flatten())
    numbers = meter.compute()
    assert numbers["miou"] == pytest.approx(100 * jaccard.compute().item(), rel=1e-6)
    assert numbers["pixel_accuracy"] == pytest.approx(100 * accuracy.compute().item(), rel=1e-6)
    label, prediction = np.concatenate(labels), np.concatenate(predictions)
    valid = label != 255
    expected = sklearn.jaccard_score(label[valid], prediction[valid], average="macro")
    assert numbers["miou"] == pytest.approx(100 * expected, rel=1e-12)
    expected = sklearn.accuracy_score(label[valid], prediction[valid])
    assert numbers["pixel_accuracy"] == pytest.approx(100 * expected, rel=1e-12)


def test_cross_entropy_by_hand_weighs_classes_and_officially_batches():
    """Scores of ln 3 and 0 give 3/4 and 1/4: -ln 3/4 = 0.28768 where class 0 is true, -ln 1/4 = 1.38629 where class 1 is."""
    scores = torch.tensor([log(3), 0.0]).view(1, 2, 1, 1)
    batches = [torch.tensor([[[0, 0, 1, 255]]]), torch.tensor([[[1, 255, 255, 255]]])]
    weighted = Segmentation(2, weights=(1.0, 3.0), judged_by="cross_entropy")
    official = Segmentation(2, weights=(1.0, 3.0), judged_by="cross_entropy", metrics="official")
    values = {}
    for task in (weighted, official):
        meter = task.meter()
        for target in batches:
            meter.update(scores, target)
        values[task.metrics] = meter.compute()["cross_entropy"]
    first = (2 * 0.2876821 + 3 * 1.3862944) / 5  # the weights of 0, 0, 1 add up to 5
    assert values["standard"] == pytest.approx((2 * 0.2876821 + 6 * 1.3862944) / 8)
    assert values["official"] == pytest.approx((first + 1.3862944) / 2)  # one picture each
    assert weighted.higher_is_better == {"cross_entropy": False}
    assert float(weighted.loss(scores.expand(1, 2, 1, 4), batches[0])) == pytest.approx(first)


def test_cross_entropy_of_nothing_is_undefined():
    for metrics in ("standard", "official"):
        meter = Segmentation(2, judged_by="cross_entropy", metrics=metrics).meter()
        meter.update(torch.zeros(1, 2, 1, 1), torch.full((1, 2, 2), 255))
        assert isnan(meter.compute()["cross_entropy"])
