"""Numbers of channels that modules hold follow into slim networks, wherever their code uses them; what does not is refused."""

import pytest
import torch
from tests.networks import images
from torch import nn

from runner.errors import CheckpointError, ConfigurationError
from runner.evolution.hypothesis import fit_weights, kels, predict_with
from runner.evolution.slim import extract, load, rehearse
from runner.evolution.written import numbers, put


class Middle(nn.Module):
    """Does to its 16 channels what `code(module, x)` says; holds the numbers that this needs, and others."""

    def __init__(self, code, **held):
        super().__init__()
        self.code, self.stride, self.name = code, 1, "middle"
        for name, value in held.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.code(self, x)


def net(code, outputs=16, **held):
    """A network with a batch norm of 16 channels before, and a convolution to 16 more after, such a module."""
    torch.manual_seed(0)
    before = (nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU())
    after = (nn.Conv2d(outputs, 16, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    return nn.Sequential(*before, Middle(code, **held), *after).double()


def slimmed(model, example, rate=0.5):
    masks = kels(model, example, rate)
    return extract(model, masks, example, rehearse(model, masks, example))


def off(model, slim, example, rate=0.5):
    """How far the slim network is from the masked one, as a part of the largest prediction."""
    with torch.no_grad():
        whole = predict_with(model, fit_weights(model.eval(), kels(model, example, rate)), example)
        return float((slim.eval()(example) - whole).abs().max() / whole.abs().max())


def halves(module, x):
    a, b = x.split(module.channels // 2, 1)
    return torch.cat((a * b, a), 1)


def quarters(module, x):
    parts = torch.split(x, module.width, 1)
    return torch.cat((parts[0] + parts[1], *parts[1:]), 1)


def unequal(module, x):
    a, b = torch.split(x, module.parts, 1)
    return torch.cat((b, a), 1)


def pair(module, x):
    a, b = torch.split(x, (module.first, module.second), 1)
    return torch.cat((b, a), 1)


def begun(module, x):
    return torch.cat((x[:, : module.first], -x[:, module.first :]), 1)


def ended(module, x):
    return torch.cat((-x[:, : -module.second], x.narrow(1, module.first, module.second)), 1)


def checked(module, x):
    assert x.shape[1] == module.channels
    return halves(module, x)


def shaped(module, x):
    return x - x.view(len(x), module.channels, -1).mean(2)[..., None, None]


FOLLOWED = {  # code, what the module holds, what a slim network's holds at split rate 0.5
    "halves": (halves, {"channels": 16}, {"channels": 8}),
    "what is asserted": (checked, {"channels": 16}, {"channels": 8}),
    "beside another of the same value": (halves, {"channels": 16, "heads": 8}, {"channels": 8}),
    "quarters": (quarters, {"width": 4, "whole": 16}, {"width": 2}),
    "a list": (unequal, {"parts": [6, 10]}, {"parts": [3, 5]}),
    "a tuple": (unequal, {"parts": (6, 10)}, {"parts": (3, 5)}),
    "a pair": (pair, {"first": 6, "second": 10}, {"first": 3, "second": 5}),
    "from the beginning": (begun, {"first": 6}, {"first": 3}),
    "to the end": (ended, {"first": 6, "second": 10}, {"first": 3, "second": 5}),
    "a shape": (shaped, {"channels": 16}, {"channels": 8}),
}


@pytest.mark.parametrize("kind", FOLLOWED)
def test_numbers_that_modules_hold_follow(kind):
    code, held, expected = FOLLOWED[kind]
    model, example = net(code, **held), images().double()
    slim = slimmed(model, example)
    assert off(model, slim, example.roll(1, 2)) < 1e-12
    assert numbers(slim) == {"3": expected}
    assert {name: vars(slim[3])[name] for name in expected} == expected
    assert {name: vars(model[3])[name] for name in held} == held, "the dense network stays"
    assert numbers(model) == {}
    assert slim[0].out_channels == 8


def test_a_flattened_map_of_a_written_size_follows():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.features, self.fc = nn.Conv2d(3, 8, 3), 8 * 4, nn.Linear(32, 4)

        def forward(self, x):
            return self.fc(nn.functional.adaptive_avg_pool2d(self.conv(x), 2).view(-1, self.features))

    class Unflat(nn.Sequential):
        def __init__(self):
            super().__init__(
                nn.Flatten(), nn.LazyLinear(32), nn.Unflatten(1, (8, 2, 2)), nn.ConvTranspose2d(8, 4, 2), nn.Flatten()
            )

    for model in (Flat(), Unflat()):
        model(images())
        slim = slimmed(model, images())
        assert len(numbers(slim)) == 1
    assert slim[2].unflattened_size == (4, 2, 2)


def turned(x, width):
    return torch.cat(x.split(width, 1)[::-1], 1)


def limited(module, x):
    x = turned(x, module.width)
    return x if x.shape[-1] <= module.limit else nn.functional.adaptive_avg_pool2d(x, module.limit)


def in_groups(module, x):
    x = turned(x, module.width)
    parts = x.view(min(len(x), module.group), -1, *x.shape[1:])
    return (parts - 0.5 * parts.mean(0, keepdim=True)).view(x.shape)


def noted(module, x):
    module.seen = module.first
    return torch.cat((-x[:, : module.seen], x[:, module.seen :]), 1)


@pytest.mark.parametrize(
    ("code", "held", "expected"),
    [
        (limited, {"width": 8, "limit": 8}, {"width": 4}),
        (in_groups, {"width": 4, "group": 4}, {"width": 2}),
        (noted, {"first": 6}, {"first": 3}),
    ],
)
def test_what_need_not_follow_stays(code, held, expected):
    """Although it has the value of a number of channels: a size of pictures or batches, what is set on the way."""
    model = net(code, **held)
    slim = slimmed(model, torch.randn(2, 3, 8, 8).double())
    assert numbers(slim) == {"3": expected}
    assert off(model, slim, torch.randn(4, 3, 20, 20).double()) < 1e-12


class Branch(nn.Module):
    """A sum, of which one part is weak."""

    def __init__(self, strength):
        super().__init__()
        self.first, self.strength = 6, nn.Parameter(torch.full((16, 1, 1), strength))

    def forward(self, x):
        return x + self.strength * torch.cat((-x[:, : self.first], x[:, self.first :]), 1)


@pytest.mark.parametrize("strength", [1.0, 0.01, 0.0])
def test_what_follows_does_not_hang_on_how_much_it_counts(strength):
    model, example = net(None), images().double()
    model[3] = Branch(strength).double()
    slim = slimmed(model, example)
    assert numbers(slim) == {"3": {"first": 3}}
    for each in (model, slim):
        nn.init.constant_(each[3].strength, 1.0)
    assert off(model, slim, example) < 1e-12


class Settled(Middle):
    """Its number is read through a property that cannot be set."""

    width = property(lambda self: vars(self)["width"])

    def __init__(self):
        super().__init__(lambda module, x: turned(x, module.width))
        vars(self)["width"] = 4


def test_numbers_follow_whatever_a_module_does_when_one_is_set():
    model, example = net(None), images().double()
    model[3] = Settled()
    slim = slimmed(model, example)
    assert numbers(slim) == {"3": {"width": 2}}
    assert off(model, slim, example) < 1e-12


@pytest.mark.parametrize(
    "code",
    [
        lambda module, x: torch.cat((x[:, :0], x), 1),
        lambda module, x: torch.cat(x.split([0, x.shape[1]], 1), 1),
        lambda module, x: torch.cat((x[..., :0], x), -1),
        lambda module, x: torch.cat((x[:0], x), 0),
    ],
)
def test_parts_may_be_empty(code):
    model, example = net(code), images().double()
    slim = slimmed(model, example)
    assert numbers(slim) == {}
    assert off(model, slim, example) < 1e-12


def test_a_slim_network_can_be_slimmed_again():
    code, held, _ = FOLLOWED["a pair"]
    model, example = net(code, **held), images().double()
    once = slimmed(model, example)
    twice = slimmed(once, example, 0.7)
    assert numbers(twice).keys() == {"3"}
    again = net(code, **held)
    put(again, numbers(twice))
    load(again, twice.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(example), twice.eval()(example))


class Twice(nn.Module):
    """A number that counts channels of a layer, and channels of a layer beside those of the input."""

    def __init__(self):
        super().__init__()
        self.number, self.a, self.b = 6, nn.Conv2d(3, 16, 1), nn.Conv2d(12, 2, 1)

    def forward(self, x):
        y = self.a(x)
        return self.b(torch.cat((y[:, : self.number], torch.cat((x, y), 1)[:, : self.number]), 1))


def literal(module, x):
    return torch.cat((-x[:, :6], x[:, 6:]), 1)


@pytest.mark.parametrize("model", [Twice().double(), net(literal, first=4)], ids=["twice", "literal"])
def test_what_does_not_follow_is_refused(model):
    example = images().double()
    with pytest.raises(ConfigurationError, match=r"the slim network (cannot run|predicts something else)"):
        rehearse(model, kels(model, example, 0.5), example)


def test_the_numbers_of_a_slim_network_are_put_into_its_architecture():
    code, held, expected = FOLLOWED["a tuple"]
    model, example = net(code, **held), images().double()
    slim = slimmed(model, example)
    again = net(code, **held)
    put(again, {"3": {"parts": [3, 5]}})  # as JSON has them
    load(again, slim.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(example), slim.eval()(example))
    assert numbers(again) == {"3": expected}


@pytest.mark.parametrize(
    "found",
    [
        {"9": {"parts": [3, 5]}},
        {"3": {"part": 3}},
        {"3": {"parts": 3}},
        {"3": {"name": 3}},
        {"3": {"parts": [3, -5]}},
        {"3": {"parts": [3, 50]}},
        {"0": {"out_channels": 8}},
        {"3": ["parts"]},
        {"3": None},
        [],
        3,
    ],
)
def test_numbers_of_another_architecture_are_refused(found):
    code, held, _ = FOLLOWED["a tuple"]
    model = net(code, **held)
    with pytest.raises(CheckpointError, match="numbers of channels"):
        put(model, found)
    assert model[3].parts == (6, 10)
