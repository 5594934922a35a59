"""Recall among neighbours and clusters against classes, beside scikit-learn."""

from math import isnan

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from runner.tasks.classification import Classification
from runner.tasks.retrieval import clusters, normalised_information, recalls


def features(classes=5, each=12, apart=1.0, size=8):
    draw = torch.Generator().manual_seed(0)
    centres = torch.randn(classes, size, generator=draw)
    labels = torch.arange(classes).repeat_interleave(each)
    return apart * centres[labels] + torch.randn(len(labels), size, generator=draw), labels


def test_recall_worked_out():
    """At 0, 10, 30, 31 degrees, of classes 0, 1, 0, 1: the nearest is always of the other class, the second of two is not."""
    degrees = torch.tensor([0.0, 10, 30, 31]).deg2rad()
    rows = torch.stack([degrees.cos(), degrees.sin()], 1)
    assert recalls(rows, torch.tensor([0, 1, 0, 1])) == [0, 0.5, 1, 1]


def test_recall_is_that_of_scikit_learn_s_neighbours():
    rows, labels = features()
    unit = F.normalize(rows, dim=1).numpy()
    nearest = NearestNeighbors(n_neighbors=9, metric="cosine", algorithm="brute").fit(unit).kneighbors(unit)[1][:, 1:]
    same = labels[torch.from_numpy(nearest)] == labels[:, None]
    expected = [same[:, :depth].any(1).double().mean().item() for depth in (1, 2, 4, 8)]
    assert recalls(rows, labels) == pytest.approx(expected)
    assert 0.2 < expected[0] < expected[3] < 1.01


@pytest.mark.parametrize("seed", range(3))
def test_information_is_that_of_scikit_learn(seed):
    draw = torch.Generator().manual_seed(seed)
    first, second = (torch.randint(count, (50,), generator=draw) for count in (4, 7))
    assert normalised_information(first, second) == pytest.approx(normalized_mutual_info_score(first, second))
    assert normalised_information(first, first) == pytest.approx(1)
    alike = torch.zeros(50, dtype=torch.int64)
    assert normalised_information(alike, alike) == normalized_mutual_info_score(alike, alike) == 1
    assert normalised_information(alike, first) == normalized_mutual_info_score(alike, first) == 0


def test_clusters_are_as_tight_as_scikit_learn_s():
    rows, labels = features(apart=2.0)
    found = clusters(rows, 5)
    best = KMeans(5, n_init=10, random_state=0).fit(rows.numpy())
    centres = torch.stack([rows[found == number].mean(0) for number in range(5)])
    spread = (rows - centres[found]).square().sum().item()
    assert spread <= best.inertia_ * 1.02
    assert torch.equal(found, clusters(rows, 5))
    told = normalised_information(labels, found)
    assert told == pytest.approx(normalized_mutual_info_score(labels, best.labels_), abs=0.05)


def test_more_clusters_than_different_rows_leave_some_empty():
    assert clusters(torch.ones(4, 2), 3).unique().numel() == 1


def test_the_meter_takes_features_in_batches_of_classes_beyond_those_that_are_predicted():
    rows, labels = features(apart=3.0)
    meter = Classification(3, judged_by="neighbours").meter()
    assert meter.reads == "features"
    assert all(map(isnan, meter.compute().values()))
    for part in torch.arange(len(rows)).split(7):
        meter.update(rows[part], labels[part] + 10)
    found = meter.compute()
    assert list(found) == ["recall1", "recall2", "recall4", "recall8", "nmi"]
    assert list(found.values())[:4] == pytest.approx([100 * share for share in recalls(rows, labels)])
    assert found["nmi"] > 80
    assert Classification(3, judged_by="neighbours").higher_is_better == {"recall1": True, "nmi": True}
