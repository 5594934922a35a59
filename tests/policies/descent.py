"""A policy that learns from nothing but what its choices cost."""

import torch

from runner.method import Objective

NONE = torch.empty(0)  # inputs, which choices do not depend on


def objective(policy, cost, open_blocks):
    """What a step descends where `cost` is the loss of gates."""
    return policy.objective(lambda gates: Objective(cost(gates).float(), {}), NONE, 0, open_blocks=open_blocks)


def first_objective(policy, cost, open_blocks):
    """That of the first step of seed 0."""
    torch.manual_seed(0)
    return objective(policy, cost, open_blocks)


def descend(policy, cost, steps):
    """So many steps of its optimizer with two open blocks, from seed 0."""
    optimizer = policy.optimizer()
    torch.manual_seed(0)
    for _ in range(steps):
        optimizer.zero_grad()
        objective(policy, cost, open_blocks=2).loss.backward()
        optimizer.step()
