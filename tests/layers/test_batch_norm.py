"""Batch norms over a batch of which every process has a part."""

import pytest
import torch
from torch.nn import BatchNorm2d

from runner.errors import ConfigurationError
from runner.layers import batch_norm
from runner.layers.batch_norm import norms


@pytest.fixture
def layers():
    """Two alike; of 0.3 what they see now counts."""
    torch.manual_seed(0)
    first, second = (BatchNorm2d(3, momentum=0.3).double() for _ in range(2))
    return first, second, 5 + torch.randn(4, 3, 2, 2, dtype=torch.float64)


def test_over_a_batch_that_is_whole_here_they_are_torch_s(layers):
    ours, theirs, x = layers
    with norms("whole"):
        found = ours(x)
    torch.testing.assert_close(found, theirs(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=1e-12, atol=0)


def test_over_a_part_they_are_torch_s_and_keep_the_mean_of_all(layers, monkeypatch):
    monkeypatch.setattr(batch_norm, "mean", lambda value: value + 1)  # the others' are larger by 2
    ours, theirs, x = layers
    with norms("per_process"):
        found = ours(x)
        ours(x)
    assert torch.equal(found, theirs(x))
    theirs(x)
    assert torch.equal(ours.running_mean, theirs.running_mean + 1)
    assert torch.equal(ours.running_var, theirs.running_var + 1)


def test_in_evaluation_nothing_moves(layers):
    ours, _, x = layers
    with norms("per_process"):
        ours.eval()(x)
    assert ours.running_mean.tolist() == [0, 0, 0]


def test_an_unknown_word_is_refused():
    with pytest.raises(ConfigurationError, match="batch_norm=part is not allowed; use whole or per_process"):
        norms("part")
