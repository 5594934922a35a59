"""Features that heads read, of every predictor, and networks that show none."""

import contextlib
from dataclasses import replace

import pytest
import torch
from tests import networks, tiny
from tests.compose import small
from torch import nn

from runner.configuration.construct import construct_method
from runner.errors import ConfigurationError
from runner.report.measured import pictures
from runner.tasks.classification import Classification
from runner.training.batches import Data
from runner.training.evaluate import evaluate
from runner.training.features import Seen, require_features

CPU = torch.device("cpu")


class Classes(tiny.Pictures):
    """Trained on classes 0 and 1, and measured on three others."""

    def __init__(self):
        super().__init__(labels=True, train=20, test=12)
        labels = torch.cat([torch.arange(20) % 2, 2 + torch.arange(12) % 3])
        self.tasks, self.targets = {"class": Classification(2, judged_by="neighbours")}, {"class": labels}


def resnet(tasks):
    return networks.NETWORKS["resnet18"](stem="small", tasks=tasks, input_shape=(3, 16, 16))


def made(name, make=resnet):
    torch.manual_seed(0)
    dataset = Classes()
    data = Data(dataset, seed=0, selection="last", scale=1.0, batch_size=4, device=CPU)
    return construct_method(small(name).method, tiny.setup(make, dataset, data.sizes())), data


def measured(method, predictor, data):
    options = {"position": "now", "autocast": contextlib.nullcontext, "check": lambda number, count: None}
    return evaluate(method, predictor, data, "test", batch_size=5, **options)["class"]


@pytest.mark.parametrize("name", ["ke", "ban", "lottery", "repr"])
def test_every_predictor_is_judged_by_features(name):
    method, data = made(name)
    require_features(method, data)
    for predictor in method.predictors():
        found = measured(method, predictor, data)
        assert list(found) == ["recall1", "recall2", "recall4", "recall8", "nmi"]
        assert all(0 <= value <= 100 for value in found.values()), predictor


def test_who_looks_is_told_how_far_a_measurement_is():
    method, data = made("label_smoothing")
    told, size = [], data.sizes()["test"]
    options = {"position": "now", "autocast": contextlib.nullcontext, "check": lambda *counts: told.append(counts)}
    evaluate(method, "trained", data, "test", batch_size=-(-size // 3), **options)
    assert told == [(1, 3), (2, 3), (3, 3)]


@torch.no_grad()
def test_features_are_what_the_last_layer_reads():
    method, data = made("label_smoothing")
    meters = {name: replace(task).meter() for name, task in data.dataset.tasks.items()}
    inputs = data.batch("train", 0).inputs
    network = method.network.eval()
    predictions, judged = Seen(method.predictors()["trained"].predict, meters)(inputs)
    assert judged["class"].shape == (4, 512)
    torch.testing.assert_close(network.fc["class"](judged["class"]), predictions["class"])
    before = network.avgpool(
        network.layer4(network.layer3(network.layer2(network.layer1(network.relu(network.bn1(network.conv1(inputs)))))))
    )
    torch.testing.assert_close(judged["class"], before.flatten(1))


class Headless(nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.layer = nn.Linear(768, 2)

    def forward(self, images):
        return {"class": self.layer(images.flatten(1))}


def test_a_network_without_heads_is_refused_before_the_training():
    method, data = made("label_smoothing", Headless)
    with pytest.raises(
        ConfigurationError, match=r"dataset.retrieval=true compares what the heads .* choose model=resnet18"
    ):
        require_features(method, data)


def test_predictions_that_nobody_judges_are_not_shown():
    """Of classes that the network does not know."""
    method, data = made("label_smoothing")
    assert pictures(method, "trained", data, contextlib.nullcontext) is None
