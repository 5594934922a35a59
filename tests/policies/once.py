"""A policy that looks at images, looking once at the same ones."""

import torch


def looks_once(policy, inputs):
    """Let the network of a policy for every image say of `inputs` what it says, thousands of times."""
    with torch.no_grad():
        found = policy.eval().network(inputs)
    policy.network.forward = lambda _: found
