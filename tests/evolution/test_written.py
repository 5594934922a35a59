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


def shaped(module, x):
    return x - x.view(len(x), module.channels, -1).mean(2)[..., None, None]


FOLLOWED = {  # code, what the module holds, what a slim network's holds at split rate 0.5
    "halves": (halves, {"channels": 16}, {"channels": 8}),
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
    masks = kels(model, example, 0.5)
    rehearse(model, masks, example)
    slim = extract(model, masks, example)
    other = example.roll(1, 2)
    with torch.no_grad():
        whole = predict_with(model, fit_weights(model.eval(), masks), other)
        assert torch.allclose(slim.eval()(other), whole, rtol=0, atol=1e-12)
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
        slim = extract(model, kels(model, images(), 0.5), images())
        assert len(numbers(slim)) == 1
    assert slim[2].unflattened_size == (4, 2, 2)


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
        extract(model, kels(model, example, 0.5), example)


def test_the_numbers_of_a_slim_network_are_put_into_its_architecture():
    code, held, expected = FOLLOWED["a tuple"]
    model, example = net(code, **held), images().double()
    slim = extract(model, kels(model, example, 0.5), example)
    again = net(code, **held)
    put(again, {"3": {"parts": [3, 5]}})  # as JSON has them
    load(again, slim.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(example), slim.eval()(example))
    assert numbers(again) == {"3": expected}


@pytest.mark.parametrize(
    "found",
    [{"9": {"parts": [3, 5]}}, {"3": {"part": 3}}, {"3": {"parts": 3}}, {"3": {"name": 3}}, {"3": {"parts": [3, -5]}}],
)
def test_numbers_of_another_architecture_are_refused(found):
    code, held, _ = FOLLOWED["a tuple"]
    with pytest.raises(CheckpointError, match=r"'[39]' has no numbers of channels '(parts?|name)' that could become"):
        put(net(code, **held), found)
