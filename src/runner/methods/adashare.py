"""AdaShare: learn per task and block whether to execute or skip it, then retrain with drawn policies (AdaShare §5 to §8)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from runner.method import Batch, Method, Objective, Predictor, Stage
from runner.methods.objectives import weighted_sum
from runner.methods.optimizers import forget, prepared, two_rates
from runner.methods.schedules import scaled, step_decay
from runner.models import Gated
from runner.policies import gumbel
from runner.policies.block_cost import block_costs
from runner.tasks import Task


@dataclass(frozen=True)
class _Cycle:
    """Where one alternation of weight and policy updates stands."""

    number: int
    temperature: float
    closed: int  # leading blocks that every task executes


class AdaShare(Method):
    """Warm-up; cycles of weight updates on train1 and policy updates on train2; retraining from fresh weights per draw.

    The network is used for the search and then, with new weights, for each draw in turn. Buffers: `policies` (draws, K, L),
    what has been drawn; `gates` (K, L), what is being retrained; `kept`, the logits at the search's best evaluation.
    """

    repeats = ("retrained",)
    kept: Tensor
    gates: Tensor
    policies: Tensor

    def __init__(
        self,
        *,
        build: Callable[[Sequence[str]], nn.Module],
        tasks: Mapping[str, Task],
        sizes: Mapping[str, int],
        scale: float,
        example: Tensor,
        batch_size: int,
        warmup: int,
        cycles: int,
        weight_steps: int | None,
        policy_steps: int | None,
        retrain: int,
        draws: int,
        search_evaluations: int,
        retrain_evaluations: int,
        initial_policy: str,
        skip_logit: float,
        sampling: str,
        temperature: float,
        temperature_decay: float,
        curriculum: bool,
        curriculum_speed: int,
        sparsity: str,
        sparsity_weight: float,
        sharing: str,
        sharing_weight: float,
        policy_from: str,
        search_optimizer: str,
        learning_rate: float,
        backbone_learning_rate: float,
        policy_learning_rate: float,
        policy_weight_decay: float,
        weight_decay: float,
        decay_steps: int,
        decay_factor: float,
        weights: dict[str, float],
    ) -> None:
        super().__init__()
        self.tasks, self.weights, self.sampling = tasks, weights, sampling
        network = build(list(tasks))
        assert isinstance(network, Gated)
        self.network, self.example = network, example
        blocks = len(self.network.blocks)
        self.logits = nn.Parameter(gumbel.initial_logits(initial_policy, len(tasks), blocks, skip_logit))
        self.register_buffer("kept", self.logits.detach().clone())
        self.register_buffer("gates", torch.ones(len(tasks), blocks))
        self.register_buffer("policies", torch.ones(draws, len(tasks), blocks))
        self.warmup, self.cycles, self.retrain = scaled(warmup, scale), scaled(cycles, scale), scaled(retrain, scale)
        self.weight_steps = scaled(weight_steps, scale) if weight_steps else max(1, sizes["train1"] // batch_size)
        self.policy_steps = scaled(policy_steps, scale) if policy_steps else max(1, sizes["train2"] // batch_size)
        self.cycle_size = cycles / self.cycles  # cycles of the unshrunk recipe that one of ours stands for
        self.temperature = lambda cycle: gumbel.temperature(temperature, temperature_decay, cycle)
        self.open_blocks = lambda cycle: gumbel.open_blocks(cycle, curriculum_speed, blocks) if curriculum else blocks
        self.draws, self.policy_from = draws, policy_from
        self.search_evaluations, self.retrain_evaluations = search_evaluations, retrain_evaluations
        self.sparsity, self.sparsity_weight = sparsity, sparsity_weight
        self.sharing, self.sharing_weight = sharing, sharing_weight
        self.warmup_schedule = step_decay(warmup, decay_steps, decay_factor)
        self.retrain_schedule = step_decay(retrain, decay_steps, decay_factor)
        parts = (self.network.backbone_parameters(), self.network.head_parameters())
        rates = (learning_rate, backbone_learning_rate, weight_decay)
        policy_adam = Adam([self.logits], lr=policy_learning_rate, weight_decay=policy_weight_decay)
        self.optimizers = {
            "weights": two_rates("adam", *parts, *rates),
            "search": two_rates(search_optimizer, *parts, *rates),
            "policy": prepared(policy_adam),
        }

    def stages(self) -> Sequence[Stage]:
        """warmup, search<c>/weights and search<c>/policy for every cycle, retrain<r> for every draw."""
        warmup = Stage(
            name="warmup",
            split="train",
            steps=self.warmup,
            objective=lambda batch: self._task_losses(batch, None),
            schedule=self.warmup_schedule,
        )
        cycles = [self._cycle(number) for number in range(self.cycles)]
        search = [stage for cycle in cycles for stage in (self._weights_stage(cycle), self._policy_stage(cycle))]
        return [warmup, *search, *(self._retrain_stage(draw) for draw in range(self.draws))]

    def _cycle(self, number: int) -> _Cycle:
        completed = number * self.cycle_size
        closed = len(self.network.blocks) - self.open_blocks(completed)
        return _Cycle(number, self.temperature(completed), closed)

    def _weights_stage(self, cycle: _Cycle) -> Stage:
        measured = cycle.number in self._measured_cycles()
        return Stage(
            name=f"search{cycle.number:03}/weights",
            split="train1",
            steps=self.weight_steps,
            objective=lambda batch: self._task_losses(batch, self._sample(cycle), cycle.closed),
            optimizer="search",
            begin=lambda: forget(self.optimizers["weights"]),  # the search has its own; free the warm-up's memory
            evaluate=("searched",) if measured else (),
        )

    def _measured_cycles(self) -> set[int]:
        """Evenly spaced over the cycles in which every block follows the policy (AdaShare §6.5), the last among them."""
        fully_open = [number for number in range(self.cycles) if self._cycle(number).closed == 0] or [self.cycles - 1]
        count = min(self.search_evaluations, len(fully_open))
        return {fully_open[round(len(fully_open) * (number + 1) / count) - 1] for number in range(count)}

    def _policy_stage(self, cycle: _Cycle) -> Stage:
        return Stage(
            name=f"search{cycle.number:03}/policy",
            split="train2",
            steps=self.policy_steps,
            objective=lambda batch: self._policy_objective(batch, cycle),
            optimizer="policy",
        )

    def _retrain_stage(self, draw: int) -> Stage:
        return Stage(
            name=f"retrain{draw}",
            split="train",
            steps=self.retrain,
            objective=lambda batch: self._task_losses(batch, self.gates),
            schedule=self.retrain_schedule,
            begin=lambda: self._draw(draw),
            evaluate=("retrained",),
            evaluations=self.retrain_evaluations,
        )

    def _sample(self, cycle: _Cycle) -> Tensor:
        noise = gumbel.gumbel_noise(self.logits.shape, self.logits.device)
        hard = self.sampling == "straight_through"
        return gumbel.relaxed_gates(self.logits, noise, cycle.temperature, straight_through=hard)

    def _task_losses(self, batch: Batch, gates: Tensor | None, closed: int = 0) -> Objective:
        predictions = self.network(batch.inputs, gates, closed)
        return weighted_sum(self.tasks, self.weights, predictions, batch.targets)

    def _policy_objective(self, batch: Batch, cycle: _Cycle) -> Objective:
        task_losses = self._task_losses(batch, self._sample(cycle), cycle.closed)
        sparsity, sharing = self.regularisers(len(self.network.blocks) - cycle.closed)
        loss = task_losses.loss + self.sparsity_weight * sparsity + self.sharing_weight * sharing
        return Objective(loss, {**task_losses.scalars, "sparsity": sparsity.detach(), "sharing": sharing.detach()})

    def regularisers(self, open_blocks: int) -> tuple[Tensor, Tensor]:
        """Sparsity and sharing losses; the paper's are scaled to pull as hard as the official code's (at alpha = 0.5)."""
        blocks = len(self.network.blocks)
        sparsity = {
            "paper": gumbel.sparsity_paper,
            "official": gumbel.sparsity_official,
            "depth_weighted": gumbel.sparsity_depth_weighted,
        }[self.sparsity](self.logits, open_blocks)
        if self.sharing == "official":
            return sparsity, gumbel.sharing_official(self.logits)
        same_sum = (blocks + 1) / (blocks - 1)  # of layer weights: sum of l / L against sum of (L - l) / L
        return sparsity, same_sum * gumbel.sharing_paper(gumbel.execute_probability(self.logits))

    @torch.no_grad()
    def _draw(self, draw: int) -> None:
        logits = self.kept if self.policy_from == "best" else self.logits
        self.gates.copy_(gumbel.drawn_gates(logits))
        self.policies[draw].copy_(self.gates)
        self.network.reset_parameters()
        forget(self.optimizers["search"])
        forget(self.optimizers["weights"])

    def keep(self, predictor: str) -> None:
        """Keep the logits of the search's best evaluation, for `policy_from: best`."""
        if predictor == "searched":
            self.kept.copy_(self.logits.detach())

    def predictors(self) -> Mapping[str, Predictor]:
        """`searched`: a policy drawn afresh for every batch, as the official evaluation does; `retrained`: the current draw."""
        return {
            "searched": lambda inputs: self.network(inputs, gumbel.drawn_gates(self.logits)),
            "retrained": lambda inputs: self.network(inputs, self.gates),
        }

    def summary(self) -> Mapping[str, Any]:
        """The learned probabilities of executing and every drawn policy, both tasks x blocks, and what blocks cost."""
        costs = block_costs(self.network, self.example)
        alpha = gumbel.execute_probability(self.kept if self.policy_from == "best" else self.logits)
        return {
            "parameters": sum(parameter.numel() for parameter in self.network.parameters()),
            "policy": {
                "tasks": list(self.tasks),
                "execute_probability": alpha.tolist(),
                "draws": self.policies.int().tolist(),
                "blocks": [cost._asdict() for cost in costs],
            },
        }
