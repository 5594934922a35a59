from math import nan

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn
from torchmetrics.classification import MulticlassAccuracy

from runner.tasks.classification import Classification


def test_loss_by_hand():
    logits, label = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([0])
    assert Classification(3).loss(logits, label).item() == pytest.approx(0.407606, abs=1e-6)
    assert Classification(3, smoothing=0.1).loss(logits, label).item() == pytest.approx(0.507606, abs=1e-6)


def test_top5_needs_more_than_five_classes():
    assert list(Classification(5).meter().compute()) == ["top1", "loss"]
    assert list(Classification(6).meter().compute()) == ["top1", "top5", "loss"]


def test_metrics_by_hand():
    scores = torch.tensor([[9.0, 8, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [0, 0, 0, 0, 0, 0]])
    meter = Classification(6).meter()
    meter.update(scores, torch.tensor([0, 4, 5, 1]))
    numbers = meter.compute()
    # equal scores are no success: the first class is the one predicted, the sixth is not among the first five
    assert (numbers["top1"], numbers["top5"]) == (25, 75)


def test_scores_that_are_no_numbers_are_wrong():
    meter = Classification(6).meter()
    meter.update(torch.full((2, 6), nan), torch.tensor([0, 5]))
    numbers = meter.compute()
    assert (numbers["top1"], numbers["top5"], str(numbers["loss"])) == (0, 0, "nan")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_metrics_are_those_of_torchmetrics_and_scikit_learn(smoothing):
    generator = torch.Generator().manual_seed(0)
    task = Classification(12, smoothing=smoothing)
    meter = task.meter()
    accuracies = {f"top{k}": MulticlassAccuracy(12, average="micro", top_k=k) for k in (1, 5)}
    scores, labels = torch.randn(100, 12, generator=generator), torch.randint(0, 12, (100,), generator=generator)
    for batch in (slice(0, 64), slice(64, 99), slice(99, 100)):
        meter.update(scores[batch], labels[batch])
        for accuracy in accuracies.values():
            accuracy.update(scores[batch], labels[batch])
    numbers = meter.compute()
    for k, (name, accuracy) in zip((1, 5), accuracies.items(), strict=True):
        assert numbers[name] == pytest.approx(100 * accuracy.compute().item(), rel=1e-6)
        expected = sklearn.top_k_accuracy_score(labels, scores, k=k, labels=np.arange(12))
        assert numbers[name] == pytest.approx(100 * expected, rel=1e-12)
    assert numbers["loss"] == pytest.approx(task.loss(scores, labels).item(), rel=1e-6)
