import torch
from torch import nn
from torch.optim import SGD

from runner.methods.optimizers import forget, prepared


def test_learning_rates_are_noted_as_the_initial_ones():
    optimizer = prepared(SGD([nn.Parameter(torch.ones(2))], lr=0.3))
    assert optimizer.param_groups[0]["initial_lr"] == 0.3


def test_momentum_may_begin_at_different_steps():
    """Fused SGD against the plain one, where the second parameter has its first gradient a step later."""
    results = []
    for fused in (False, True):
        weights = [
            nn.Parameter(torch.ones(3, 2, 2, 2).to(memory_format=torch.channels_last)),
            nn.Parameter(torch.ones(2)),
        ]
        optimizer = SGD(weights, lr=0.1, momentum=0.9, weight_decay=0.01, fused=fused)
        optimizer = prepared(optimizer) if fused else optimizer
        for step in range(3):
            weights[0].grad = torch.full_like(weights[0], step + 1.0)
            weights[1].grad = torch.full_like(weights[1], 2.0) if step else None
            optimizer.step()
        results.append([weight.detach() for weight in weights])
    torch.testing.assert_close(*results)


def test_forgetting_is_a_new_optimizer():
    weight = nn.Parameter(torch.ones(2))
    optimizer = prepared(SGD([weight], lr=0.1, momentum=0.9, fused=True))
    weight.grad = torch.ones(2)
    optimizer.step()
    forget(optimizer)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((2,), 0.8))
