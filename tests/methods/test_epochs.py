"""Training by epochs: steps, warm-up, pieces of a schedule, the smoothed loss."""

import math

import pytest
import torch
from tests import tiny

from runner.methods.epochs import Training

RECIPE = {
    "evaluations": 1, "loss": "cross_entropy", "smoothing": 0.1, "learning_rate": 0.2, "momentum": 0.9, "weight_decay": 0.01,
    "warmup_epochs": None, "weighting": "equal", "weighting_learning_rate": None,
}  # fmt: skip


def training(scale=1.0, given=(), **recipe):
    dataset = tiny.Pictures(labels=True)
    setup = tiny.setup(tiny.Labels, dataset, {"train": 22}, scale=scale, given=frozenset(given))
    return Training(setup, setup.network(), {**RECIPE, **recipe}), dataset


def test_a_stage_has_whole_batches_alone():
    found, _ = training()
    assert found.stage("s", 3).steps == 3 * (22 // 4)


@pytest.mark.parametrize(("epochs", "warmup"), [(1, 0), (2, 1), (3, 1), (10, 5), (200, 5)])
def test_the_warm_up_follows_the_epochs_unless_given(epochs, warmup):
    schedule = training()[0].stage("s", epochs).schedule
    assert schedule(0.0) == (1 / warmup if warmup else 1.0)
    assert schedule(warmup / epochs) == 1.0


def test_a_given_warm_up_is_taken_and_ends_before_the_epochs_do():
    assert training(warmup_epochs=2)[0].stage("s", 10).schedule(0.0) == 0.5
    assert training(warmup_epochs=8)[0].stage("s", 3).schedule(0.0) == 0.5  # two of three
    assert training(warmup_epochs=0)[0].stage("s", 3).schedule(0.0) == 1.0


def test_a_piece_of_a_longer_schedule_and_another_rate():
    found, _ = training(warmup_epochs=0)
    whole = found.stage("s", 10)
    piece = found.stage("s", 3, within=(5, 10), factor=0.1)
    assert [piece.schedule(k / 3) for k in range(3)] == pytest.approx(
        [0.1 * whole.schedule((5 + k) / 10) for k in range(3)]
    )


def test_the_loss_is_the_smoothed_cross_entropy():
    found, dataset = training()
    found._network.eval()
    batch = dataset.batch(torch.arange(4), torch.device("cpu"))
    logs = found._network(batch.inputs)["class"].log_softmax(-1)
    labels = batch.targets["class"]
    expected = sum(-0.9 * logs[i, labels[i]] - 0.1 * logs[i].mean() for i in range(4)) / 4
    objective = found.loss(batch)
    assert objective.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert objective.scalars["loss/class"].item() == objective.loss.item()


def test_a_penalty_of_the_network_is_added_by_name(monkeypatch):
    from runner.method import Objective
    from runner.methods.objectives import penalised

    network = tiny.dense({"depth": 1})
    plain = Objective(torch.tensor(2.0), {"loss/depth": torch.tensor(2.0)})
    assert penalised(plain, network) is plain
    monkeypatch.setattr(network, "penalty", lambda: {"orthogonality": torch.tensor(0.5, requires_grad=True)})
    found = penalised(plain, network)
    assert found.loss.item() == 2.5
    assert found.scalars["penalty/orthogonality"].item() == 0.5
    assert not found.scalars["penalty/orthogonality"].requires_grad
    assert math.isclose(found.scalars["loss/depth"], 2.0)
