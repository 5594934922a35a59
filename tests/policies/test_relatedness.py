"""How alike policies are, by hand."""

import pytest
import torch

from runner.policies.relatedness import relatedness


def test_cosine_and_correlation_by_hand():
    """(1, 1, 0, 0) and (1, 0, 1, 0): cosine 1 / 2, correlation 0; (1, 1, 0, 0) and (0, 0, 1, 1): cosine 0, correlation -1."""
    found = relatedness(torch.tensor([[1.0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]]))
    assert found["cosine"][0] == pytest.approx([1, 0.5, 0])
    assert found["correlation"][0] == pytest.approx([1, 0, -1])
    assert found["cosine"][1][2] == found["cosine"][2][1] == pytest.approx(0.5)


def test_how_much_is_executed_in_all_does_not_change_a_correlation():
    one = torch.tensor([0.9, 0.1, 0.5, 0.7])
    found = relatedness(torch.stack([one, 0.2 + 0.5 * one]))
    assert found["correlation"][0][1] == pytest.approx(1)
    assert found["cosine"][0][1] < 0.999


def test_a_policy_that_says_nothing_is_like_none():
    """One that skips everything has no direction, one of equal probabilities no correlation."""
    found = relatedness(torch.tensor([[0.0, 0, 0], [0.3, 0.3, 0.3], [1, 0, 1]]))
    assert found["cosine"][0] == [None, None, None]
    assert found["correlation"][1] == [None, None, None]
    assert found["cosine"][1][2] == pytest.approx(2 / 6**0.5)  # 0.6 / (0.3 sqrt 3 sqrt 2)
    assert relatedness(torch.full((2, 16), 0.7))["correlation"][0][1] is None
