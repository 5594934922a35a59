import pytest
import torch
from torch import nn

from runner.errors import ConfigurationError
from runner.evolution.forgetting import later, reset_norms

X = torch.rand(2, 3, 4, 4)


class Backwards(nn.Module):
    """Registers its head first and runs it last."""

    def __init__(self):
        super().__init__()
        self.a, self.head, self.norm, self.b = (
            nn.Conv2d(3, 4, 1),
            nn.Conv2d(4, 2, 1),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 1),
        )
        self.unused = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.head(self.b(self.norm(self.a(x))))


def test_layers_are_later_in_the_order_in_which_they_run():
    kept = {name: bool(mask.all()) for name, mask in later(Backwards(), "b", X).items()}
    assert kept == {"a.weight": True, "head.weight": False, "b.weight": False, "unused.weight": False}
    assert bool(later(Backwards(), "head", X)["b.weight"].all())


def test_so_are_norms():
    for first, begun in (("b", False), ("norm", True)):
        model = Backwards()
        nn.init.constant_(model.norm.weight, 2)
        reset_norms(model, first, X)
        assert bool(model.norm.weight.eq(1).all()) == begun


def test_a_weight_that_is_shared_over_the_border_is_refused():
    model = Backwards()
    model.unused.weight = model.b.weight
    later(model, "b", X)
    with pytest.raises(
        ConfigurationError, match=r"keeps layer 'b' and forgets 'unused', and they share a weight; use a part"
    ):
        later(model, "head", X)


def test_weights_that_are_computed_are_refused():
    model = Backwards()
    model.b = nn.utils.parametrizations.weight_norm(model.b)
    with pytest.raises(ConfigurationError, match=r"the weight of layer 'b' is computed from other parameters"):
        later(model, "head", X)
