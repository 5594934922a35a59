import pytest
import torch
from tests import tiny
from torch import nn
from torch.optim import SGD

from runner.errors import ConfigurationError
from runner.methods.optimizers import forget, prepared, two_rates


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


def rates(optimizer):
    return {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}


def test_backbone_and_heads_have_their_rates_and_the_heads_one_where_none_is_given():
    network = tiny.dense({"depth": 1})
    for backbone_rate, expected in ((0.5, 0.5), (None, 0.1)):
        found = rates(two_rates("sgd", network, 0.1, backbone_rate, 0.0))
        assert {found[id(parameter)] for parameter in network.backbone_parameters()} == {expected}
        assert {found[id(parameter)] for parameter in network.head_parameters()} == {0.1}


def test_a_backbone_rate_for_a_network_that_has_no_backbone_of_its_own_is_refused():
    network = nn.Sequential(nn.Linear(2, 2))
    assert set(rates(two_rates("adam", network, 0.1, None, 0.0)).values()) == {0.1}
    with pytest.raises(
        ConfigurationError, match=r"method.backbone_learning_rate=0.5, but Sequential does not tell its"
    ):
        two_rates("adam", network, 0.1, 0.5, 0.0)


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ConfigurationError, match=r"method.optimizer=adamw is not allowed; use adam or sgd"):
        two_rates("adamw", tiny.dense({"depth": 1}), 0.1, None, 0.0)
    with pytest.raises(ConfigurationError, match=r"method.search_optimizer=adamw is not allowed; use adam or sgd"):
        two_rates("adamw", tiny.dense({"depth": 1}), 0.1, None, 0.0, key="method.search_optimizer")
