import pytest
import torch
import torch.nn.functional as F
from tests.networks import images, network, with_statistics
from torch import nn

from runner.evolution.fold import fold_batch_norm
from runner.evolution.hypothesis import kels
from runner.evolution.slim import extract


def norms(model):
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize(
    ("name", "left"), [("resnet18", 0), ("googlenet", 0), ("mobilenet_v2", 0), ("densenet121", 62)]
)
def test_folding_is_exact_to_rounding(name, left):
    model = network(name, "imagenet", {"scene": 5}).train()
    folded = fold_batch_norm(model, images())
    assert norms(folded) == left
    assert model.training
    assert not folded.training
    with torch.no_grad():
        expected = model.eval()(images())["scene"]
        torch.testing.assert_close(folded(images())["scene"], expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_slim_networks_fold():
    model = network("resnet18", tasks=5)
    slim = extract(model, kels(model, images(), 0.5), images()).eval()
    folded = fold_batch_norm(slim, images()).to(memory_format=torch.channels_last)
    with torch.no_grad():
        expected = slim(images())
        torch.testing.assert_close(folded(images()), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


class Shared(nn.Module):
    """What must not be folded: outputs with a second reader, layers and norms that run twice, statistics of the batch."""

    def __init__(self, forward):
        super().__init__()
        self.run = forward
        self.conv, self.other = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.norm, self.fresh = nn.BatchNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False)

    def forward(self, x):
        return self.run(self, x)


@pytest.mark.parametrize(
    "forward",
    [
        lambda n, x: n.norm(n.conv(x)) + (y := n.conv(x)) + y,
        lambda n, x: F.relu(y := n.conv(x)) + n.norm(y),
        lambda n, x: (y := n.conv(x), n.norm(y)),
        lambda n, x: n.norm(n.conv(x)) + n.norm(n.other(x)),
        lambda n, x: n.norm(n.conv(x).relu()),
        lambda n, x: n.fresh(n.conv(x)),
    ],
)
def test_what_has_other_readers_stays(forward):
    model = with_statistics_of(Shared(forward))
    folded = fold_batch_norm(model, images())
    assert norms(folded) == 2
    torch.testing.assert_close(folded(images()), model.eval()(images()))


def with_statistics_of(model):
    with_statistics(nn.Sequential(model.norm))
    return model
