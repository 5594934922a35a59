import pytest
import torch
import torch.nn.functional as F
from tests.networks import images, network, with_statistics
from tests.rounding import float32_tolerance
from torch import nn
from torch.utils._pytree import tree_leaves

from runner.evolution.fold import fold_batch_norm
from runner.evolution.hypothesis import kels
from runner.evolution.slim import extract
from runner.layers.kinds import BatchNorm


def norms(model):
    return sum(isinstance(module, BatchNorm) for module in model.modules())


def agrees(folded, model, inputs):
    """Exact in float64; in float32 as far as the depth lets one see."""
    tolerance = 1e-10 if inputs.dtype == torch.float64 else float32_tolerance(model)
    with torch.no_grad():
        (expected,), (found,) = tree_leaves(model.eval()(inputs)), tree_leaves(folded(inputs))
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("name", "left"), [("resnet18", 0), ("googlenet", 0), ("mobilenet_v2", 0), ("densenet121", 62)]
)
def test_folding_is_exact_to_rounding(name, left, dtype):
    model, inputs = network(name, "imagenet", {"scene": 5}).train().to(dtype), images().to(dtype)
    folded = fold_batch_norm(model, inputs)
    assert norms(folded) == left
    assert model.training
    assert not folded.training
    agrees(folded, model, inputs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_slim_networks_fold(dtype):
    model, inputs = network("resnet18", tasks=5).to(dtype), images().to(dtype)
    slim = extract(model, kels(model, inputs, 0.5), inputs).eval()
    agrees(fold_batch_norm(slim, inputs).to(memory_format=torch.channels_last), slim, inputs)


@pytest.mark.parametrize(
    ("convolution", "norm", "size"),
    [
        (nn.Conv1d, nn.BatchNorm1d, (9,)),
        (nn.Conv2d, nn.SyncBatchNorm, (5, 5)),
        (nn.Conv3d, nn.BatchNorm3d, (4, 4, 4)),
    ],
)
def test_every_kind_of_batch_norm_folds(convolution, norm, size):
    torch.manual_seed(0)
    model = with_statistics(nn.Sequential(convolution(3, 4, 3), norm(4), nn.ReLU())).eval()
    example = torch.randn(2, 3, *size)
    folded = fold_batch_norm(model, example)
    assert norms(folded) == 0
    torch.testing.assert_close(folded(example), model(example))


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
