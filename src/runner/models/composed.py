"""Networks made of networks: several side by side or of one mind, and one as a policy executes it."""

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor, nn

from runner.batch import Inputs
from runner.models import Routed
from runner.policies import Policy


class Separate(nn.ModuleDict):
    """Networks that share nothing, each for tasks of its own: {name: network}."""

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """Predictions of all tasks that have inputs: {task: prediction}."""
        return {task: prediction for network in self.values() for task, prediction in network(inputs).items()}


class Executed(nn.Module):
    """A network of K tasks and L blocks whose gates are decided: `gates` (K, L), 1 executes a block, 0 skips it.

    Of an elastic network they are shares of channels.
    """

    gates: Tensor

    def __init__(self, network: Routed, gates: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("gates", gates.detach().clone())

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """Predictions of all tasks: {task: prediction}."""
        return self.network(inputs, self.gates)


class Ensemble(nn.Module):
    """Networks for the same labels -> {task: logarithm of the mean of their probabilities, (B, classes)}."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """As above."""
        found = [member(inputs) for member in self.members]
        return {
            task: torch.stack([each[task].log_softmax(1) for each in found]).logsumexp(0) - log(len(found))
            for task in found[0]
        }


class Following(nn.Module):
    """A gated network whose gates `policy` gives for the inputs, after what it has `drawn` (K, L) for them; both count."""

    drawn: Tensor

    def __init__(self, network: Routed, policy: Policy, drawn: Tensor) -> None:
        super().__init__()
        self.network, self.policy = network, policy
        self.register_buffer("drawn", drawn.detach().clone())

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """Predictions of all tasks: {task: prediction}."""
        return self.network(inputs, self.policy.gates(self.drawn, inputs, training=False))
