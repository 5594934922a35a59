import collections
import subprocess
import sys
import types

import pytest
import torch
from tests.networks import NETWORKS, images, network, with_statistics
from tests.rounding import float32_tolerance
from torch import nn
from torch.func import functional_call

from runner.errors import CheckpointError, ConfigurationError
from runner.evolution.hypothesis import fit_weights, kels, reinitialize, wels
from runner.evolution.slim import extract, load, rehearse
from runner.models.cost import parameters
from runner.models.deeplab import DeepLab

SMALL = {(name, "small") for name in ("resnet18", "alexnet", "vgg11_bn", "googlenet", "mobilenet_v2")}
# the deeper of a family have one stem each; both are tried with its shallowest
DEEPER = {"resnet34": "small", "resnet50": "imagenet", "resnet101": "imagenet", "densenet169": "imagenet"}
CASES = [
    pytest.param(name, stem, (0.2, 0.5, 0.8))
    if (name, stem) in SMALL
    else pytest.param(name, stem, (0.5,), marks=pytest.mark.slow)
    for name in NETWORKS
    for stem in ("imagenet", "small")
    if DEEPER.get(name, stem) == stem
]


def differs(model, masks, slim, inputs):
    """The largest difference between masked and slim predictions, relative to the largest prediction."""
    with torch.no_grad():
        expected = functional_call(model.eval(), fit_weights(model, masks), (inputs,))
        found = slim.eval()(inputs)
    assert expected.keys() == found.keys()
    return max(float((expected[task] - found[task]).abs().max() / expected[task].abs().max()) for task in expected)


def agrees(model, masks, slim, inputs):
    """In float64 they are the same network; in float32, its type before and after, as far as its depth lets one see."""
    assert differs(model, masks, slim, inputs) < float32_tolerance(model)
    exact = differs(model.double(), masks, slim.double(), inputs.double())
    model.float()
    slim.float()
    assert exact < 1e-10


def owns_only_its_bytes(model):
    return all(
        value.is_contiguous() and value.untyped_storage().nbytes() == value.numel() * value.element_size()
        for value in model.state_dict().values()
    )


@pytest.mark.parametrize(("name", "stem", "rates"), CASES)
def test_slim_is_the_masked_network(name, stem, rates):
    side = 64 if (name, stem) == ("alexnet", "imagenet") else 32
    model = network(name, stem, {"scene": 5, "other": 3}, side)
    example = images(2, 16 if stem == "small" and name not in ("alexnet", "vgg11_bn") else side)
    for rate in rates:
        masks = kels(model, example, rate)
        slim = extract(model, masks, example)
        agrees(model, masks, slim, example.roll(1, 2))
        assert owns_only_its_bytes(slim)
        assert parameters(slim) < parameters(model)
        weights = dict(slim.named_parameters())
        assert all(int(mask.sum()) == weights[key].numel() for key, mask in masks.items())
        assert not any(value.data_ptr() in {p.data_ptr() for p in model.parameters()} for value in slim.parameters())


def test_a_slim_network_lies_in_memory_as_the_dense_one():
    model = network("resnet18").to(memory_format=torch.channels_last)
    slim = extract(model, kels(model, images(), 0.5), images())
    weights = [value for value in slim.state_dict().values() if value.dim() == 4 and value.shape[-1] > 1]
    assert weights
    for value in weights:
        assert value.is_contiguous(memory_format=torch.channels_last)
        assert value.untyped_storage().nbytes() == value.numel() * value.element_size()


@pytest.mark.parametrize("bottleneck", [False, True])
def test_slim_multi_task_network(bottleneck):
    sizes = {
        "layers": [1, 2, 1, 1],
        "widths": [8, 16, 16, 32],
        "head_width": 12,
        "dropout": 0.5,
        "statistics": "per_task",
    }
    torch.manual_seed(0)
    tasks = {"segmentation": 5, "depth": 1}
    model = with_statistics(DeepLab(**sizes, bottleneck=bottleneck, tasks=tasks, input_shape=(3, 33, 33)))
    for rate in (0.2, 0.5, 0.8):
        masks = kels(model, images(), rate)
        slim = extract(model, masks, images())
        agrees(model, masks, slim, images(1, 40))
        assert all(slim.heads[task].branches[i][-1].out_channels == n for task, n in tasks.items() for i in range(4))
        gates = torch.tensor([[1.0, 0.3, 1.0, 1.0, 0.5], [1.0, 1.0, 0.2, 1.0, 1.0]])
        gated = kels(model, (images(), gates), rate)
        assert all(torch.equal(mask, gated[name]) for name, mask in masks.items())
        extract(model, gated, (images(), gates))


def test_widths_of_slim_networks():
    model = network("densenet121", tasks=100)
    slim = extract(model, kels(model, images(), 0.5), images())
    assert slim.features.denseblock1.denselayer1.conv2.out_channels == 16
    assert slim.features.transition1.norm.num_features == 32 + 6 * 16
    assert slim.features.transition1.conv.out_channels == 64
    model = network("mobilenet_v2", tasks=100)
    slim = extract(model, kels(model, images(), 0.8), images())
    depthwise = slim.features[4].conv[3]
    assert (depthwise.in_channels, depthwise.out_channels, depthwise.groups) == (77, 77, 77)
    assert depthwise.weight.shape == (77, 1, 3, 3)


GROUPED = {
    "grouped": (nn.Conv2d(3, 12, 3), nn.Conv2d(12, 20, 3, groups=4), nn.Conv2d(20, 4, 1)),
    "depthwise with multiplier": (nn.Conv2d(3, 12, 3), nn.Conv2d(12, 24, 3, groups=12), nn.Conv2d(24, 4, 1)),
    "biases and pixel shuffle": (nn.Conv2d(3, 40, 3), nn.PixelShuffle(2), nn.Conv2d(10, 4, 1)),
    "hidden linear": (
        nn.Conv2d(3, 5, 29),
        nn.PReLU(),
        nn.Flatten(),
        nn.Linear(80, 9),
        nn.BatchNorm1d(9),
        nn.Linear(9, 4),
    ),
}


@pytest.mark.parametrize("case", GROUPED)
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8])
def test_other_layers(case, rate):
    model, inputs = nn.Sequential(*GROUPED[case]).eval().double(), images().double()
    masks = kels(model, inputs, rate)
    slim = extract(model, masks, inputs)
    expected = functional_call(model, fit_weights(model, masks), (inputs,))
    torch.testing.assert_close(slim(inputs), expected, rtol=1e-12, atol=1e-12)


def test_the_dense_network_is_left_alone_and_does_not_reach_the_slim_one():
    model = network("resnet18").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    masks = kels(model, images(), 0.5)
    slim = extract(model, masks, images())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in (*model.modules(), *slim.modules()))
    kept = slim.fc.bias.detach().clone()
    with torch.no_grad():
        model.fc.bias += 1
    assert torch.equal(slim.fc.bias, kept)


def test_slim_networks_train():
    model = network("resnet18")
    slim = extract(model, kels(model, images(), 0.5), images())
    slim(images()).sum().backward()
    assert all(parameter.grad is not None for parameter in slim.parameters())


def test_a_slim_state_loads_into_the_architecture(tmp_path):
    model = network("mobilenet_v2")
    slim = extract(model, kels(model, images(), 0.8), images()).eval()
    torch.save(slim.state_dict(), tmp_path / "slim.pt")
    again = network("mobilenet_v2").eval()
    load(again, torch.load(tmp_path / "slim.pt"))
    assert torch.equal(again(images()), slim(images()))
    assert owns_only_its_bytes(again)


def test_states_of_other_architectures_are_refused():
    model = network("resnet18")
    with pytest.raises(CheckpointError, match=r"another architecture: only one of the two has bn1.bias, "):
        load(model, network("mobilenet_v2").state_dict())
    model = nn.Sequential(nn.Linear(2, 2), nn.PReLU(2))
    with pytest.raises(CheckpointError, match=r"'1.weight' has shape \(3,\), not \(2,\)"):
        load(model, {**model.state_dict(), "1.weight": torch.ones(3)})


def test_slim_networks_run_without_the_runner(tmp_path):
    layers = (nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8))
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()
    slim = extract(model, kels(model, images(), 0.5), images())
    torch.save((slim, images(), slim(images()).detach()), tmp_path / "slim.pt")
    script = f"""
import sys, torch
sys.modules["runner"] = None
slim, images, expected = torch.load({str(tmp_path / "slim.pt")!r}, weights_only=False)
assert torch.equal(slim(images), expected)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_weight_level_masks_have_no_slim_network():
    model = network("resnet18")
    masks = wels(model, 0.5, torch.Generator().manual_seed(0))
    with pytest.raises(ConfigurationError, match=r"the mask of 'conv1.weight' is not made of .* \(split: kels\)"):
        extract(model, masks, images())


class Forward(nn.Module):
    """Two layers with something in between that does not follow their sizes."""

    def __init__(self, between):
        super().__init__()
        self.a, self.b, self.between = nn.Conv2d(3, 8, 3), nn.Linear(8, 2), between

    def forward(self, x):
        return self.b(self.between(self.a(x).mean((2, 3))))


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (lambda x: x.view(-1, 8), "the slim network cannot run .* must take sizes from their inputs"),
        (lambda x: x * x.shape[1], "predicts something else"),
        (
            lambda x: torch.cat([x[:, 4:], x[:, 4:]], 1),
            "the slim network cannot run .*split=wels needs no whole channels",
        ),
        (lambda x: x[:, torch.tensor([1, 2, 3, 5, 6, 7, 7, 7])], "the slim network cannot run"),
    ],
)
def test_code_that_writes_out_channel_numbers_is_refused(between, message):
    model = Forward(between)
    with pytest.raises(ConfigurationError, match=message):
        extract(model, kels(model, images(), 0.5), images())


class Scaled(nn.Module):
    """Hardly at all, by the number of its channels."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 2, 1)
        self.factor = nn.Parameter(torch.tensor(1e-5))

    def forward(self, x):
        x = self.a(x)
        return self.b(x + self.factor * x * x.shape[1])


def test_what_is_silent_or_small_in_the_beginning_is_rehearsed_as_it_may_become():
    torch.manual_seed(0)
    model = Scaled()
    masks, before = kels(model, images(), 0.5), {name: value.clone() for name, value in model.state_dict().items()}
    extract(model, masks, images())
    with pytest.raises(ConfigurationError, match="predicts something else"):
        rehearse(model, masks, images())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("kind", [collections.OrderedDict, types.MappingProxyType, type("Output", (dict,), {})])
def test_predictions_may_be_in_any_mapping(kind):
    class Mapped(nn.Sequential):
        def forward(self, x):
            return (
                kind(one=super().forward(x))
                if kind is not types.MappingProxyType
                else kind({"one": super().forward(x)})
            )

    torch.manual_seed(0)
    model = Mapped(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1))
    slim = extract(model, kels(model, images(), 0.5), images())
    assert slim(images())["one"].shape[1] == 4
    assert slim[1].in_channels == 4


def test_predictions_without_tensors_are_refused():
    class Odd(nn.Sequential):
        def forward(self, x):
            return types.SimpleNamespace(one=super().forward(x))

    model = Odd(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1))
    with pytest.raises(ConfigurationError, match="predicts SimpleNamespace, in which no tensors are found to compare"):
        extract(model, kels(model, images(), 0.5), images())


def test_a_norm_of_groups_without_weights_is_refused_by_its_name():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(4, 8, affine=False), nn.Conv2d(8, 2, 1))
    with pytest.raises(ConfigurationError, match=r"norm '1' has no weights that would tell .*; make it affine=True"):
        extract(model, kels(model, images(), 0.5), images())


def test_reset_weights_do_not_reach_the_slim_network():
    model = network("resnet18").eval()
    masks = kels(model, images(), 0.5)
    before = extract(model, masks, images())(images())
    reinitialize(model, masks, torch.Generator().manual_seed(0))
    assert torch.equal(extract(model, masks, images())(images()), before)
