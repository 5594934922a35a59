"""How far apart predictions are, worked by hand."""

from math import inf, nan

import pytest
import torch
from torch import Tensor, nn

from runner.evolution.agreement import difference, require_agreement
from runner.evolution.tracer import WholeChannelsError


class Says(nn.Module):
    """Predicts what it was given to say, or fails with it."""

    def __init__(self, said):
        super().__init__()
        self.said, self.weight = said, nn.Parameter(torch.zeros(()))

    def forward(self, x):
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def numbers(*values):
    return torch.tensor(values)


@pytest.mark.parametrize(
    ("expected", "found", "far"),
    [
        ([numbers(1.0, 4.0)], numbers(1.0, 4.0), 0),
        ([numbers(1.0, 4.0)], numbers(2.0, 4.0), 1 / (4 + 2)),  # apart / (the largest expected + the one found)
        ([numbers(0.0, 0.0)], numbers(0.0, 0.0), 0),
        ([numbers(0.0, 0.0)], numbers(0.0, 1.0), 1),
        ([numbers(nan, 4.0)], numbers(nan, 4.0), 0),
        ([numbers(nan, 4.0)], numbers(3.0, 4.0), inf),
        ([numbers(1.0, 4.0)], numbers(1.0, inf), inf),
        ([numbers(1.0, 4.0)], numbers(1.0), inf),
        ([numbers(1.0), numbers(2.0)], (numbers(1.0), numbers(3.0)), 1 / (2 + 3)),
        ([numbers(1.0), numbers(2.0)], numbers(1.0), inf),
        ([numbers(True, False)], numbers(True, False), 0),
        ([numbers(True, False)], numbers(False, False), 1),  # 1 / (1 + 0)
        ([numbers(1.0)], AssertionError(), inf),
    ],
)
def test_a_difference_is_a_part_of_the_largest_prediction(expected, found, far):
    assert difference(Says(found), expected, Tensor()) == pytest.approx(far)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (numbers(1.0, 4.1), "predicts something else"),
        (AssertionError(), r"cannot run \(AssertionError\)"),
        (ValueError("sizes differ"), r"cannot run \(sizes differ\)"),
    ],
)
def test_what_does_not_agree_is_refused_in_words(found, told):
    require_agreement(Says(numbers(1.0, 4.0)), [numbers(1.0, 4.0)], Tensor(), 0)
    with pytest.raises(WholeChannelsError, match=told):
        require_agreement(Says(found), [numbers(1.0, 4.0)], Tensor(), 0.01)
