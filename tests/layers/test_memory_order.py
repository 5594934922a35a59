import copy

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from runner.layers.memory_order import in_memory_order

OPTIMIZERS = {
    "sgd": lambda weights, **how: SGD(weights, lr=0.1, momentum=0.9, weight_decay=1e-2, **how),
    "adam": lambda weights, **how: Adam(weights, lr=0.1, betas=(0.5, 0.999), weight_decay=1e-2, **how),
}
SHAPES = [(8, 6, 3, 3), (8, 6, 1, 1), (8,), (4, 5)]


def weights(layout):
    torch.manual_seed(0)
    values = [torch.randn(shape) for shape in SHAPES]
    return [nn.Parameter(v.to(memory_format=layout) if v.dim() == 4 else v) for v in values]


def give_gradients(parameters, seed):
    torch.manual_seed(seed)
    for parameter in parameters:
        parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_steps_are_those_of_the_plain_optimizer(kind):
    plain, turned = weights(torch.contiguous_format), weights(torch.channels_last)
    optimizers = OPTIMIZERS[kind](plain, foreach=False), in_memory_order(OPTIMIZERS[kind](turned, fused=True))
    for step in range(3):
        for parameters, optimizer in zip((plain, turned), optimizers, strict=True):
            give_gradients(parameters, step)
            if step == 1:
                parameters[0].grad = None  # it did not take part
            optimizer.step()
    torch.testing.assert_close(turned, plain, rtol=1e-5, atol=1e-6)
    assert turned[0].is_contiguous(memory_format=torch.channels_last)
    assert turned[0].grad.shape == SHAPES[0]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_saved_state_has_the_weights_shape_and_goes_on(kind):
    first, second = weights(torch.channels_last), weights(torch.channels_last)
    optimizers = [in_memory_order(OPTIMIZERS[kind](parameters, fused=True)) for parameters in (first, second)]
    give_gradients(first, 0)
    optimizers[0].step()
    state = copy.deepcopy(optimizers[0].state_dict())
    assert {v.shape for v in state["state"][0].values() if torch.is_tensor(v) and v.dim()} == {torch.Size(SHAPES[0])}
    optimizers[1].load_state_dict(state)
    with torch.no_grad():
        for mine, other in zip(second, first, strict=True):
            mine.copy_(other)
    for parameters, optimizer in zip((first, second), optimizers, strict=True):
        give_gradients(parameters, 1)
        optimizer.step()
    assert all(map(torch.equal, first, second))
