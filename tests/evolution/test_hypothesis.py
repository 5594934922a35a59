import math

import pytest
import torch
from tests.networks import images, network
from torch import nn
from torch.func import functional_call

from runner.errors import ConfigurationError
from runner.evolution.groups import kept
from runner.evolution.hypothesis import (
    fit_weights,
    kels,
    magnitudes,
    predict_with,
    reinitialize,
    reset_weights,
    wels,
)
from runner.layers.initial import Initialized, truncated_normal


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("rate", "whole", "expected"),
    [(0.5, 64, 32), (0.8, 64, 52), (0.8, 512, 410), (0.55, 100, 55), (0.1, 30, 3), (1.0, 7, 7)],
)
def test_counts_are_those_of_the_decimal(rate, whole, expected):
    assert kept(rate, whole) == expected


@pytest.mark.parametrize(
    ("rate", "sums"),
    [
        (
            0.5,
            {
                "conv1": 4704,
                "layer1.0.conv1": 9216,
                "layer2.0.conv1": 18432,
                "layer2.0.downsample.0": 2048,
                "fc": 25600,
            },
        ),
        (0.5, {"layer2.1.conv1": 36864, "layer3.0.conv1": 73728, "layer4.0.conv1": 294912, "layer4.1.conv2": 589824}),
        (0.8, {"conv1": 7644, "layer1.0.conv1": 24336, "layer2.0.conv1": 48204, "layer2.0.downsample.0": 5356}),
        (0.8, {"layer4.1.conv2": 1512900, "fc": 41000}),
    ],
)
def test_mask_sums_of_resnet18(rate, sums):
    masks = kels(network("resnet18", "imagenet", 100), images(1), rate)
    assert {name: int(masks[f"{name}.weight"].sum()) for name in sums} == sums


@pytest.mark.parametrize(
    ("depth", "rate", "expected", "whole"),
    [
        (18, 0.5, 2819680, 11218112),
        (18, 0.8, 7211016, 11218112),
        (50, 0.5, 5968480, 23659712),
        (50, 0.8, 15211445, 23659712),
    ],
)
def test_weights_kept(depth, rate, expected, whole):
    masks = kels(network(f"resnet{depth}", "imagenet", 100), images(1), rate).values()
    assert (sum(int(mask.sum()) for mask in masks), sum(mask.numel() for mask in masks)) == (expected, whole)


def test_hidden_layers_keep_the_columns_of_fit_channels():
    model = nn.Sequential(
        nn.Conv2d(3, 512, 1), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(512 * 49, 6), nn.Linear(6, 2)
    )
    masks = kels(model, images(1, 8), 0.8)
    assert int(masks["3.weight"][0].sum()) == 410 * 49
    assert bool(masks["3.weight"][0, : 410 * 49].all())
    assert int(masks["3.weight"].any(1).sum()) == 5


def test_a_whole_split_keeps_everything_and_cannot_be_reset():
    model = network("resnet18")
    masks = kels(model, images(1), 1.0)
    assert all(bool(mask.all()) for mask in masks.values())
    with pytest.raises(ConfigurationError, match=r"split_rate: this one leaves no weights to re-initialise"):
        reinitialize(model, masks, seeded())


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, math.nan])
def test_split_rates_outside_are_refused(rate):
    with pytest.raises(ConfigurationError, match=r"split_rate: .* choose one in \(0, 1\]"):
        wels(nn.Linear(2, 2), rate, seeded())


def test_networks_without_layers_are_refused():
    with pytest.raises(ConfigurationError, match="no convolution or linear layers"):
        wels(nn.ReLU(), 0.5, seeded())


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_weight_level_masks(rate, exact):
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 64, 3, groups=64), nn.Linear(64, 10))
    masks, again, other = (wels(model, rate, seeded(seed), exact) for seed in (0, 0, 1))
    for name, mask in masks.items():
        assert mask.dtype == torch.bool
        assert mask.shape == model.get_parameter(name).shape
        assert abs(float(mask.float().mean()) - rate) < 4 * math.sqrt(rate * (1 - rate) / mask.numel())
        assert torch.equal(mask, again[name])
        assert not torch.equal(mask, other[name])
        if exact:
            assert int(mask.sum()) == kept(rate, mask.numel())


@pytest.mark.parametrize("split", ["kels", "wels"])
def test_reinitialising_keeps_the_fit_hypothesis(split):
    model = network("resnet18", tasks={"scene": 100})
    masks = kels(model, images(1), 0.5) if split == "kels" else wels(model, 0.5, seeded())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    reinitialize(model, masks, seeded(3))
    for name, value in model.state_dict().items():
        if name not in masks:
            assert torch.equal(value, before[name])
            continue
        mask, bound = masks[name], torch.tensor(1 / math.sqrt(before[name][0].numel()))
        assert torch.equal(value[mask], before[name][mask])
        assert int((value[~mask] == before[name][~mask]).sum()) <= 2  # two draws of 24 bits can coincide
        assert bool(value[~mask].abs().max() <= bound)
    weight = model.get_parameter("layer1.0.conv1.weight").detach()[~masks["layer1.0.conv1.weight"]]
    assert float(weight.abs().max()) == pytest.approx(0.0416667, rel=1e-3)
    assert float(weight.std()) == pytest.approx(0.0240563, rel=0.02)


def test_reinitialising_follows_the_generator():
    model = nn.Sequential(nn.Linear(9, 9))
    masks = wels(model, 0.5, seeded())
    drawn = []
    for seed in (0, 0, 1):
        reinitialize(model, masks, seeded(seed))
        drawn.append(model[0].weight.detach().clone())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


class Narrow(nn.Sequential, Initialized):
    """A network that begins in a way of its own."""

    def initial(self):
        return truncated_normal


def test_without_a_generator_it_is_the_global_one():
    model = nn.Sequential(nn.Linear(9, 9))
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        masks = wels(model, 0.5)
        reinitialize(model, masks)
        drawn.append((masks["0.weight"], model[0].weight.detach()[~masks["0.weight"]].clone()))
    assert all(map(torch.equal, drawn[0], drawn[1]))
    assert not any(map(torch.equal, drawn[0], drawn[2]))


def test_distributions():
    model = nn.Sequential(nn.Conv2d(64, 512, 3))
    masks = {"0.weight": torch.zeros_like(model[0].weight, dtype=torch.bool)}
    masks["0.weight"][0] = True
    reset, weight = ~masks["0.weight"], model[0].weight.detach()
    reinitialize(model, masks, seeded(), "paper")
    assert float(weight[reset].std()) == pytest.approx(math.sqrt(2 / 576), rel=0.01)
    reinitialize(model, masks, seeded(), "zero")
    assert not bool(weight[reset].any())
    assert bool(weight[~reset].all())
    model = Narrow(nn.Conv2d(64, 512, 3))
    weight = model[0].weight.detach()
    reinitialize(model, masks, seeded(), "paper")
    assert float(weight[reset].abs().max()) <= 0.02
    assert float(weight[reset].std()) == pytest.approx(0.0088, rel=0.01)  # 0.01 cut off at two deviations


def test_the_two_hypotheses_add_up():
    model = network("resnet18")
    masks = kels(model, images(1), 0.3)
    fit, reset = fit_weights(model, masks), reset_weights(model, masks)
    for name in masks:
        assert torch.equal(fit[name] + reset[name], model.get_parameter(name))
        assert not bool((fit[name] * reset[name]).any())


def test_channels_of_the_fit_hypothesis_do_not_see_the_rest():
    model = network("resnet18").eval()
    masks = kels(model, images(1), 0.5)
    before = predict_with(model, fit_weights(model, masks), images())
    reinitialize(model, masks, seeded())
    assert torch.equal(predict_with(model, fit_weights(model, masks), images()), before)


@pytest.mark.parametrize("part", [fit_weights, reset_weights])
def test_predictions_are_those_of_a_functional_call(part):
    model = network("resnet18", tasks={"scene": 5}).eval()
    weights = part(model, kels(model, images(1), 0.5))
    expected = functional_call(model, weights, (images(),))["scene"]
    assert torch.equal(predict_with(model, weights, images())["scene"], expected)
    assert torch.equal(predict_with(model, weights, (images(),))["scene"], expected)


class Repeated(nn.Module):
    """The same 4 x 4 layer twice: as one module under two names, or as two that share a weight."""

    def __init__(self, tied):
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 2)
        self.again = nn.Linear(4, 4, bias=False) if tied else self.first
        self.again.weight = self.first.weight

    def forward(self, x):
        return self.last(self.again(self.first(x)))


@pytest.mark.parametrize("tied", [False, True])
def test_a_measurement_leaves_shared_weights_alone(tied):
    torch.manual_seed(0)
    model, x = Repeated(tied), torch.randn(3, 4)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    masks = wels(model, 0.5, seeded())
    found = predict_with(model, fit_weights(model, masks), x)
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes"):
        predict_with(model, fit_weights(model, masks), torch.randn(3, 5))
    after = dict(model.named_parameters(remove_duplicate=False))
    assert after.keys() == parameters.keys()
    assert all(after[name] is parameter for name, parameter in parameters.items())
    assert all(torch.equal(parameter, before[name]) for name, parameter in after.items())
    with torch.no_grad():
        for name in ("first", "last"):
            model.get_parameter(f"{name}.weight").mul_(masks[f"{name}.weight"])
    assert torch.equal(found, model(x))


def test_layers_that_share_a_weight_share_its_mask():
    model = Repeated(tied=True)
    masks = wels(model, 0.5, seeded())
    assert torch.equal(masks["first.weight"], masks["again.weight"])
    fit = model.first.weight.detach()[masks["first.weight"]].clone()
    reinitialize(model, masks, seeded(1))
    assert torch.equal(model.first.weight.detach()[masks["first.weight"]], fit)
    # the first layer reads the input, of which all is kept, so the second keeps all of the shared weight
    masks = kels(model, torch.zeros(1, 4), 0.5)
    assert bool(masks["first.weight"].all())
    assert torch.equal(masks["first.weight"], masks["again.weight"])


def test_mean_magnitudes():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].weight.data = torch.tensor([[1.0, -3.0], [0.5, -0.25]])
    masks = {"0.weight": torch.tensor([[True, True], [False, False]]), "1.weight": torch.ones(1, 2, dtype=torch.bool)}
    found = magnitudes(model, masks)
    assert found["0.weight"] == (2.0, 0.375)
    assert math.isnan(found["1.weight"].reset)


def test_magnitudes_are_equal_at_the_start():
    model = network("resnet18")
    for fit, reset in magnitudes(model, kels(model, images(1), 0.5)).values():
        assert fit == pytest.approx(reset, rel=0.05)


@pytest.mark.parametrize(
    ("masks", "distribution", "message"),
    [
        (
            {"0.weight": torch.zeros(2, 3, dtype=torch.bool)},
            "wide",
            "distribution=wide is not allowed; use official or paper or zero",
        ),
        (
            {"1.weight": torch.zeros(2, 3, dtype=torch.bool)},
            "paper",
            "mask '1.weight': the network has no such parameter",
        ),
        ({"0.weight": torch.zeros(3, dtype=torch.bool)}, "paper", r"of \(3,\), not bool of \(2, 3\)"),
        ({"0.weight": torch.zeros(2, 3)}, "paper", r"mask '0.weight' is torch.float32 of \(2, 3\), not bool of"),
    ],
)
def test_masks_and_distributions_that_are_none(masks, distribution, message):
    with pytest.raises(ConfigurationError, match=message):
        reinitialize(nn.Sequential(nn.Linear(3, 2)), masks, seeded(), distribution)
