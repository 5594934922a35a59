"""Drop-in layers become torch's own: the same predictions, weights of their own, statistics of one task."""

import pytest
import torch
from torch import nn

from runner.errors import ConfigurationError
from runner.layers.dilated import DilatedConv2d
from runner.layers.dropout import RectifiedDropout
from runner.layers.im2col import Conv2d
from runner.layers.plain import plain
from runner.layers.task_norm import TaskNorm, for_tasks

IMAGES = torch.randn(3, 4, 9, 9, generator=torch.Generator().manual_seed(0))


def layers():
    torch.manual_seed(0)
    return nn.Sequential(
        *(Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False), TaskNorm(6, tasks=2)),
        *(RectifiedDropout(0.5), nn.Sequential(DilatedConv2d(6, 4, 2), nn.BatchNorm2d(4))),
    )


def of(network, task):
    with torch.no_grad(), for_tasks(network, (task,)):
        return network(IMAGES)


@pytest.mark.parametrize("task", [0, 1])
def test_of_one_task(task):
    network = layers().train()
    of(network, 1)  # statistics of task 1 alone
    network.eval()
    copy = plain(network, task)
    assert {type(module).__module__.partition(".")[0] for module in copy.modules()} == {"torch"}
    with torch.no_grad():
        assert torch.equal(copy(IMAGES), of(network, task))
    assert not torch.equal(of(network, 0), of(network, 1))
    assert not copy.training


def test_of_all_tasks_where_their_statistics_are_the_same():
    network = layers().train()
    with torch.no_grad():
        network(IMAGES)
        network.eval()
        assert torch.equal(plain(network)(IMAGES), network(IMAGES))
    of(network.train(), 1)
    with pytest.raises(
        ConfigurationError,
        match=r"batch-norm statistics of their own.*the export without --onnx and --pt2 has all of it",
    ):
        plain(network)


def test_a_lone_layer_and_weights_of_its_own():
    layer = DilatedConv2d(4, 2, 3)
    copy = plain(layer)
    assert type(copy) is nn.Conv2d
    assert torch.equal(copy.weight, layer.weight)
    assert copy.weight is not layer.weight
