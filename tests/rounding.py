"""What rounding leaves of equality, derived from the number of roundings and not from what one processor happened to give."""

from collections.abc import Callable
from math import sqrt

import pytest
import torch
from torch import Tensor, nn

# Numbers to more digits than float32 has, of weights that are drawn anew by every test.
same_draws = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="the last bits of torch's normal numbers are other than with AVX2, with which these were recorded",
)


def assert_products(
    found: Tensor, operation: Callable[..., Tensor], factors: tuple[Tensor, ...], terms: int, *, rounded: bool
) -> None:
    """`found` is `operation` of `factors`, each number a sum of `terms` products, with sums in float32.

    A rounding is at most 2^-24 of what it rounds in float32, and of every sum on the way no more than the sum of the
    products' absolute values; in bfloat16 it is 2^-8, once, at the end, if the result is `rounded` to that.
    """
    exact = tuple(factor.detach().double() for factor in factors)
    expected, magnitude = operation(*exact), operation(*(factor.abs() for factor in exact))
    allowed = terms * 2**-23 * magnitude + (2**-8 * expected.abs() if rounded else 0)
    assert ((found.detach().double() - expected).abs() <= allowed).all()


def float32_tolerance(model: nn.Module) -> float:
    """What float32 leaves of the sameness of two networks as deep as `model`, relative to the largest prediction.

    The roundings (eps) within a sum of K products are independent, so that they come to about the root of K, and to the
    root of all K together over the layers; whatever a layer or batch norm rounds last adds one each, at worst all one way.
    Measured over nine networks with two stems, three rates and three seeds, and over folded ones: at most 0.26 of this
    with AVX2 or AVX-512 and 0.36 with SSE 4.1, where sums are taken one number after another.
    """
    weighted = [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    products = sum(module.weight[0].numel() for module in weighted)
    return (sqrt(products) + len(weighted) + norms) * torch.finfo(torch.float32).eps
