"""Training drawn policies from fresh weights, one after the other: the last part of AdaShare and of what searches like it.

Fresh are the weights that a network begins with: drawn anew, and where weights of elsewhere were given, those. AdaShare's
re-train.py goes back to the network as it was constructed, and on DomainNet that is one of ImageNet's weights.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from runner.batch import Batch, Inputs
from runner.method import Objective, Predictor, Stage, StartingWeights
from runner.models import Routed
from runner.models.composed import Executed, Following
from runner.policies import LearnedPolicy, Policy
from runner.policies.relatedness import relatedness


class Retraining(nn.Module):
    """What has been drawn and what is being trained, for `draws` policies of K tasks and L blocks in turn.

    `weights` are those of elsewhere, the setup's, from which every one of them starts. Buffers: `policies` (draws, K, L);
    `gates` (K, L), those of the network as it is.
    """

    gates: Tensor
    policies: Tensor

    def __init__(self, tasks: int, blocks: int, draws: int, weights: StartingWeights | None) -> None:
        super().__init__()
        self.weights = weights
        self.register_buffer("gates", torch.ones(tasks, blocks))
        self.register_buffer("policies", torch.ones(draws, tasks, blocks))

    def stages(
        self,
        network: Routed,
        draw: Callable[[], Tensor],
        objective: Callable[[Batch, Tensor], Objective],
        restart: Callable[[], None],
        **options: Any,
    ) -> Sequence[Stage]:
        """retrain0, retrain1, ...: each begins with a policy from `draw` (K, L), fresh weights and `restart`.

        `objective` takes a batch and what was drawn; `options` are the other fields of the stages.
        """

        @torch.no_grad()
        def begin(number: int) -> None:
            self.gates.copy_(draw())
            self.policies[number].copy_(self.gates)
            network.reset_parameters()
            if self.weights is not None:
                self.weights.put_into(network)
            restart()

        def stage(number: int) -> Stage:
            gates = cache(self.gates.cpu)  # they stand still
            return Stage(
                name=f"retrain{number}",
                split="train",
                objective=lambda batch: objective(batch, gates()),
                begin=partial(begin, number),
                restarts=True,
                **options,
            )

        return [stage(number) for number in range(len(self.policies))]

    def predictor(self, network: Routed, policy: Policy) -> Predictor:
        """The network as the current draw of `policy` executes it."""
        drawn = cache(self.gates.cpu)

        def predict(inputs: Inputs) -> Mapping[str, Tensor]:
            return network(inputs, policy.gates(drawn(), inputs, training=False))

        def own() -> nn.Module:
            if policy.decided:
                return Executed(network.reduced(self.gates), self.gates)
            return Executed(network, self.gates) if policy.settled else Following(network, policy, self.gates)

        return Predictor(predict, own)

    def learned(self, tasks: Sequence[str], policy: Policy, costs: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """The summary's `policy`: probabilities of executing (K, L), how alike they are, decided draws, costs of blocks."""
        probability = policy.probability()
        return {
            "tasks": list(tasks),
            "execute_probability": probability.tolist(),
            **({"relatedness": relatedness(probability)} if isinstance(policy, LearnedPolicy) else {}),
            "draws": self.policies.int().tolist() if policy.decided else [],
            "blocks": list(costs),
        }
