"""What rounding leaves of equality, derived from the number of roundings and not from what one processor happened to give."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


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

    Every weighted sum and every batch norm of either rounds by about one unit in the last place (eps) of its largest value,
    and, normalised as they are, later layers neither enlarge that nor make it vanish: it adds up with depth. Measured over
    nine networks with two stems, three rates and three seeds: at most half an eps per layer with AVX2 or AVX-512, and 0.8
    with SSE 4.1, of the two allowed.
    """
    rounding = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
    return 2 * sum(isinstance(module, rounding) for module in model.modules()) * torch.finfo(torch.float32).eps
