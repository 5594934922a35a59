"""AdaCos: cosines, the scale that follows them, and who goes without."""

import math

import pytest
import torch
from tests import networks, tiny
from tests.compose import small
from tests.methods.around import assert_it_resumes_exactly, made
from torch.nn import functional as F

from runner.batch import first
from runner.configuration.construct import construct_method
from runner.errors import ConfigurationError
from runner.methods import angles
from runner.models.labels import Cosine


def around(name, *overrides, side=16):
    """A method around a small ResNet-18 with a cosine head."""
    torch.manual_seed(0)
    dataset = tiny.Pictures(labels=True)

    def make(tasks):
        return networks.NETWORKS["resnet18"](stem="small", head="cosine", tasks=tasks, input_shape=(3, side, side))

    return construct_method(small(name, *overrides).method, tiny.setup(make, dataset, {"train": 18})), dataset


def test_a_cosine_head_gives_scaled_cosines_whatever_the_lengths():
    torch.manual_seed(0)
    head, features = Cosine(8, 5), torch.randn(3, 8)
    assert head.scale.item() == pytest.approx(math.sqrt(2) * math.log(4))
    expected = head.scale * F.cosine_similarity(features[:, None], head.directions.weight[None], dim=2)
    torch.testing.assert_close(head(features), expected)
    with torch.no_grad():
        head.directions.weight.mul_(7)
    torch.testing.assert_close(head(3 * features), expected)


def test_two_classes_are_refused():
    with pytest.raises(ConfigurationError, match=r"model.head=cosine scales by .* there are 2 classes; it needs three"):
        Cosine(8, 2)


def test_the_next_scale_worked_out():
    """Three samples of four classes: own cosines 0.9, 0.8, 0.2 of median angle acos 0.8 < π/4; the others 0, 0.1, -0.1."""
    cosines = torch.tensor([[0.9, 0.0, 0.1, -0.1], [0.0, 0.8, 0.1, -0.1], [0.0, 0.1, 0.2, -0.1]])
    mean = 1 + math.exp(10 * 0.1) + math.exp(-10 * 0.1)  # of every sample the same three
    found = angles.next_scale(torch.tensor(10.0), cosines, torch.tensor([0, 1, 2]))
    assert found.item() == pytest.approx(math.log(mean) / 0.8, rel=1e-6)
    wide = torch.tensor([[0.5, 0.0, 0.1, -0.1]])  # 60 degrees count as 45
    found = angles.next_scale(torch.tensor(10.0), wide, torch.tensor([0]))
    assert found.item() == pytest.approx(math.log(mean) / math.cos(math.pi / 4), rel=1e-6)


def test_a_scale_that_few_classes_would_turn_round_stays_at_one():
    opposite = torch.tensor([[1.0, -1.0, -1.0]])  # log(2 exp(-1)) < 0
    assert angles.next_scale(torch.tensor(1.0), opposite, torch.tensor([0])).item() == 1


def test_the_loss_is_the_cross_entropy_at_the_new_scale_which_is_kept():
    method, dataset = around("cross_entropy", "method.loss=adacos")
    (stage,) = method.stages()
    batch = dataset.batch(torch.arange(4), torch.device("cpu"))
    method.eval()
    head = method.network.fc["class"]
    before = head.scale.clone()
    cosines, labels = (method.network(batch.inputs)["class"] / before).detach(), batch.targets["class"]
    loss = stage.objective(batch).loss
    expected = angles.next_scale(before, cosines, labels)
    assert not torch.equal(expected, before)
    torch.testing.assert_close(head.scale, expected)
    torch.testing.assert_close(loss, F.cross_entropy(expected * cosines, labels))
    loss.backward()
    assert all(parameter.grad is not None for parameter in method.network.parameters())
    torch.testing.assert_close(method.network(batch.inputs)["class"], expected * cosines)  # what is measured


def test_a_linear_head_is_refused():
    with pytest.raises(ConfigurationError, match=r"method.loss=adacos scales cosines, .* use model.head=cosine"):
        made(small("cross_entropy", "method.loss=adacos").method)


@pytest.mark.parametrize("name", ["ke", "slim_scratch"])
def test_a_cosine_takes_all_channels_so_that_there_is_no_slim_network(name):
    with pytest.raises(ConfigurationError, match=r"in module 'fc.class' mixes channels") as caught:
        around(name)
    offered = {
        "ke": "method.split=wels needs no whole channels",
        "slim_scratch": "method=long, which trains the dense one",
    }
    assert offered[name] in str(caught.value)
    assert ("split=wels" in str(caught.value)) == (name == "ke")


@pytest.mark.parametrize("overrides", [("ke", "method.split=wels"), ("lottery",), ("ban",), ("dsd",), ("repr",)])
def test_every_procedure_takes_the_loss(overrides):
    method, dataset = around(*overrides, "method.loss=adacos")
    batch = dataset.batch(torch.arange(8), torch.device("cpu"))
    for stage in method.stages():
        stage.begin()
        loss = stage.objective(batch).loss
        loss.backward()
        assert torch.isfinite(loss), stage.name
        stage.project()


def test_a_training_resumes_exactly(tmp_path, monkeypatch):
    monkeypatch.setitem(tiny.NETWORKS, frozenset({"label"}), CosineLabels)
    node = small("lottery", "method.loss=adacos").method
    whole, _ = assert_it_resumes_exactly(node, tmp_path, every=5)
    assert "network.heads.class.scale" in whole.method.state_dict()


class CosineLabels(tiny.Labels):
    def __init__(self, tasks):
        super().__init__(tasks)
        self.heads = tiny.Heads({task: Cosine(4, classes) for task, classes in tasks.items()})


def test_the_head_is_of_every_network_of_convolutions_for_labels():
    for name, make in networks.NETWORKS.items():
        if name not in ("resnet101", "resnet50", "densenet169", "resnet34"):
            made_network = make(stem="small", head="cosine", tasks={"class": 7}, input_shape=(3, 32, 32))
            assert sum(isinstance(module, Cosine) for module in made_network.modules()) == 1, name
            assert made_network.eval()(first(networks.images()))["class"].shape == (2, 7)
