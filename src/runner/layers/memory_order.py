"""torch's fused optimizers on channels-last weights, without a copy of every gradient."""

from typing import Any

from torch import Tensor
from torch.optim import Optimizer

INNERMOST_CHANNELS, GIVEN = (0, 2, 3, 1), (0, 3, 1, 2)  # (O, C, h, w) -> (O, h, w, C) and back


def in_memory_order(optimizer: Optimizer) -> Optimizer:
    """Have every step of `optimizer` see channels-last weights (O, C, h, w) as the contiguous (O, h, w, C) that they are.

    The fused CPU kernels of torch 2.13 copy each gradient that is not contiguous and then use the original. Without that,
    SGD with momentum takes 33 ms for 74 and Adam 54 for 92, with 58 million weights on a Zen 4 core.
    """
    turned: list[Tensor] = []

    def before(optimizer: Optimizer, *arguments: Any) -> None:
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        turned.extend(
            w for w in weights if w.grad is not None and w.dim() == 4 and not (w.is_cuda or w.is_contiguous())
        )
        for weight in turned:
            _turn(optimizer, weight, INNERMOST_CHANNELS)

    def after(optimizer: Optimizer, *arguments: Any) -> None:
        while turned:
            _turn(optimizer, turned.pop(), GIVEN)

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)
    return optimizer


def _turn(optimizer: Optimizer, weight: Tensor, dims: tuple[int, ...]) -> None:
    gradient = weight.grad
    assert gradient is not None
    weight.grad = None  # a gradient must always have its weight's shape
    weight.data = weight.data.permute(dims)
    weight.grad = gradient.permute(dims)
    state = optimizer.state[weight]
    state.update({n: v.permute(dims) for n, v in state.items() if isinstance(v, Tensor) and v.dim() == 4})
