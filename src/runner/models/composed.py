"""Networks made of networks: several side by side, and one as a policy executes it."""

from torch import Tensor, nn

from runner.method import Inputs
from runner.models import Gated


class Separate(nn.ModuleDict):
    """Networks that share nothing, each for tasks of its own: {name: network}."""

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """Predictions of all tasks that have inputs: {task: prediction}."""
        return {task: prediction for network in self.values() for task, prediction in network(inputs).items()}


class Executed(nn.Module):
    """A gated network of K tasks and L blocks whose gates are decided: `gates` (K, L), 1 executes a block, 0 skips it."""

    gates: Tensor

    def __init__(self, network: Gated, gates: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("gates", gates.detach().clone())

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """Predictions of all tasks: {task: prediction}."""
        return self.network(inputs, self.gates)
