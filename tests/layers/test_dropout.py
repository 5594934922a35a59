import math

import pytest
import torch
from torch import nn

from runner.layers.dropout import RectifiedDropout, dropout_factors

COUNT = 1_000_003  # no multiple of eight


@pytest.mark.parametrize("p", [0.1, 0.5, 0.75, 0.9])
def test_factors_are_zero_as_often_as_asked_and_one_on_average(p):
    torch.manual_seed(0)
    factors = dropout_factors(COUNT, p, torch.float64)
    assert factors.shape == (COUNT,)
    assert sorted(factors.unique().tolist()) == pytest.approx([0, 1 / (1 - p)], rel=1e-4)
    deviation = math.sqrt(p * (1 - p) / COUNT)
    assert (factors == 0).double().mean().item() == pytest.approx(p, abs=5 * deviation + 2**-17)


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("lag", [1, 2, 7, 8, 64])
def test_factors_are_independent(p, lag):
    torch.manual_seed(0)
    dropped = (dropout_factors(COUNT, p, torch.float32) == 0).double()
    both = (dropped[lag:] * dropped[:-lag]).mean().item()
    assert both == pytest.approx(p**2, abs=6 * p / math.sqrt(COUNT))


def test_extreme_probabilities():
    assert dropout_factors(1000, 1e-9, torch.float32).tolist() == [1] * 1000
    assert dropout_factors(1000, 1 - 1e-9, torch.float32).count_nonzero() <= 1


@pytest.mark.parametrize("p", [0.3, 0.5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_output_and_gradient(p, layout):
    torch.manual_seed(0)
    x = torch.randn(2, 5, 4, 3, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    output = RectifiedDropout(p)(x * 1)
    kept = output != 0
    assert 0 < kept.sum() < (x > 0).sum()
    assert not (kept & (x <= 0)).any()
    factor = 2 if p == 0.5 else 2**16 / (2**16 - round(p * 2**16))
    torch.testing.assert_close(output, torch.where(kept, x * factor, 0))
    assert output.stride() == x.stride()
    gradient = torch.randn_like(output)
    output.backward(gradient)
    torch.testing.assert_close(x.grad, torch.where(kept, gradient * factor, 0))


def test_works_in_place():
    x = torch.randn(100)
    assert RectifiedDropout(0.5)(x).data_ptr() == x.data_ptr()


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_the_seed_decides(p):
    module = RectifiedDropout(p)
    drawn = []
    for seed in (0, 1, 0):
        torch.manual_seed(seed)
        drawn.append([module(torch.ones(1000)) for _ in range(2)])
    assert torch.equal(drawn[0][0], drawn[2][0])
    assert torch.equal(drawn[0][1], drawn[2][1])
    assert not torch.equal(drawn[0][0], drawn[0][1])
    assert not torch.equal(drawn[0][0], drawn[1][0])


@pytest.mark.parametrize("module", [RectifiedDropout(0.5).eval(), RectifiedDropout(0.0)])
def test_rectifier_alone_in_evaluation_and_without_dropout(module):
    x = torch.randn(3, 4)
    assert torch.equal(module(x.clone()), x.relu())


def test_bfloat16():
    output = RectifiedDropout(0.5)(torch.ones(1000, dtype=torch.bfloat16))
    assert output.dtype == torch.bfloat16
    assert set(output.tolist()) == {0, 2}


def test_is_a_dropout_to_whoever_looks_for_one():
    assert isinstance(RectifiedDropout(0.5), nn.Dropout)
