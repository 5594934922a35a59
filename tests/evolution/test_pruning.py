import pytest
import torch
from torch import nn

from runner.errors import ConfigurationError
from runner.evolution import pruning


def network():
    """Ten weights of the sizes 1 to 10 in two layers, signs alternating."""
    made = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 1), nn.ReLU())
    with torch.no_grad():
        made[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, -4.0], [5.0, -6.0]]))
        made[1].weight.copy_(torch.tensor([[7.0, -8.0, 9.0]]))
    return made


def test_whole_masks_keep_every_weight_of_a_layer():
    masks = pruning.whole(network())
    assert {name: mask.sum().item() for name, mask in masks.items()} == {"0.weight": 6, "1.weight": 3}
    assert pruning.remaining(masks) == 1


def test_the_smallest_of_all_layers_together_or_of_each_are_pruned():
    """A third of nine is 1, 2, 3; of six and of three it is 1, 2 and 7."""
    for scope, first, second in (("global", [0, 0, 0, 1, 1, 1], [1, 1, 1]), ("layer", [0, 0, 1, 1, 1, 1], [0, 1, 1])):
        masks = pruning.pruned(network(), pruning.whole(network()), 1 / 3, scope)
        assert masks["0.weight"].flatten().tolist() == first
        assert masks["1.weight"].flatten().tolist() == second


def test_a_share_is_of_what_is_left_and_rounded_up():
    """Half of nine is five; half of the four that are left is two: 8 and 9 stay."""
    masks = pruning.whole(network())
    for left in (4, 2):
        masks = pruning.pruned(network(), masks, 0.5, "global")
        assert sum(mask.sum().item() for mask in masks.values()) == left
    assert masks["1.weight"].tolist() == [[0, 1, 1]]


def test_five_rounds_of_a_fifth_leave_the_fifth_power_of_four_fifths():
    """0.8^5 = 0.32768, up to a weight a round."""
    many = nn.Linear(100, 100)
    masks = pruning.whole(many)
    for _ in range(5):
        masks = pruning.pruned(many, masks, 0.2, "global")
    assert pruning.remaining(masks) == pytest.approx(0.32768, abs=5 / 10_000)


def test_equal_weights_are_pruned_by_number():
    equal = nn.Linear(5, 2, bias=False)
    nn.init.ones_(equal.weight)
    assert pruning.remaining(pruning.pruned(equal, pruning.whole(equal), 0.3, "global")) == 0.7


def test_what_cannot_be_pruned_is_said():
    with pytest.raises(ConfigurationError, match=r"ReLU has no convolution or linear layers of torch.nn to prune"):
        pruning.whole(nn.ReLU())
    with pytest.raises(ConfigurationError, match=r"method.scope=all is not allowed; use global or layer"):
        pruning.pruned(network(), pruning.whole(network()), 0.5, "all")
    with pytest.raises(
        ConfigurationError, match=r"the weight of layer '0' is computed .* no weights in it to split or prune"
    ):
        pruning.whole(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))))


def test_a_weight_that_layers_share_is_pruned_once():
    shared = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    shared[1].weight = shared[0].weight
    masks = pruning.whole(shared)
    assert {name: mask.numel() for name, mask in masks.items()} == {"0.weight": 9, "2.weight": 6}
