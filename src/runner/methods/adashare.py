"""AdaShare: learn per task and block whether to execute or skip it, then retrain with drawn policies.

Sun et al., "AdaShare: Learning What To Share For Efficient Deep Multi-Task Learning", NeurIPS 2020; train.py, re-train.py and
envs/blockdrop_env.py in github.com/sunxm2357/AdaShare.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor

from runner.errors import chosen
from runner.method import Batch, Method, Objective, Predictor, Series, Setup, Stage, first
from runner.methods.objectives import penalised, weighted_sum
from runner.methods.optimizers import Kind, forget, two_rates
from runner.methods.retraining import Retraining
from runner.methods.schedules import step_decay
from runner.methods.weighting import RATE, weighting_of
from runner.methods.weighting import Kind as WeightingKind
from runner.models import Gated
from runner.policies import Policy
from runner.policies.block_cost import block_costs
from runner.policies.gumbel import open_blocks


@dataclass(frozen=True)
class _Cycle:
    """Where one alternation of weight and policy updates stands."""

    number: int
    completed: float  # cycles of the unshrunk recipe that went before
    closed: int  # leading blocks that every task executes


class AdaShare(Method):
    """Warm-up; cycles of weight updates on train1 and policy updates on train2; retraining from fresh weights per draw.

    The network is used for the search and then, with new weights, for each draw in turn; weights of elsewhere are where both
    begin. `kept` is the policy as it was at the
    search's best evaluation.
    """

    series = Series("draw", alternatives=True)

    def __init__(
        self,
        *,
        setup: Setup,
        policy: Callable[..., Policy],
        warmup_steps: int,
        num_cycles: int,
        weight_steps: int | None,
        policy_steps: int | None,
        retrain_steps: int,
        num_draws: int,
        search_evaluations: int,
        retrain_evaluations: int,
        curriculum: bool,
        curriculum_speed: int,
        policy_from: Literal["last", "best"],
        search_optimizer: Kind,
        learning_rate: float,
        backbone_learning_rate: float | None,
        weight_decay: float,
        decay_steps: int | None,
        decay_factor: float,
        loss_weights: dict[str, float],
        weighting: WeightingKind,
        weighting_learning_rate: float | None,
    ) -> None:
        super().__init__()
        self.tasks, self.loss_weights, self.example = setup.tasks, loss_weights, first(setup.example)
        network = setup.network()
        assert isinstance(network, Gated)
        self.network, size = network, {"tasks": len(setup.tasks), "blocks": len(network.blocks)}
        self.policy = policy(**size)
        self.kept = copy.deepcopy(self.policy)
        self.from_best = chosen("method.policy_from", policy_from, {"last": False, "best": True})
        self.retraining = Retraining(**size, draws=setup.phases("num_draws", num_draws), weights=setup.weights)
        self.warmup_steps = setup.steps("warmup_steps", warmup_steps)
        self.num_cycles = setup.phases("num_cycles", num_cycles)
        self.weight_steps = setup.steps("weight_steps", weight_steps) if weight_steps else setup.epoch("train1")
        self.policy_steps = setup.steps("policy_steps", policy_steps) if policy_steps else setup.epoch("train2")
        self.retrain_steps = setup.steps("retrain_steps", retrain_steps)
        # cycles of the unshrunk recipe from one of ours to the next: the last comes when as many went before as there
        self.cycle_size = (num_cycles - 1) / max(1, self.num_cycles - 1)
        self.curriculum_speed = curriculum_speed if curriculum else None
        self.search_evaluations, self.retrain_evaluations = search_evaluations, retrain_evaluations
        every = decay_steps or retrain_steps / 3
        self.warmup_schedule = step_decay(warmup_steps, every, decay_factor)
        self.retrain_schedule = step_decay(retrain_steps, every, decay_factor)
        self.weighting = weighting_of(weighting, len(setup.tasks), setup.epoch())
        rates = (learning_rate, backbone_learning_rate, weight_decay)
        learned = (list(self.weighting.parameters()), weighting_learning_rate or RATE)
        self.optimizers = {
            "weights": two_rates("adam", network, *rates, learned=learned),
            "search": two_rates(search_optimizer, network, *rates, key="method.search_optimizer", learned=learned),
            "policy": self.policy.optimizer(),
        }

    def stages(self) -> Sequence[Stage]:
        """warmup, search<c>/weights and search<c>/policy for every cycle, retrain<r> for every draw."""
        warmup = Stage(
            name="warmup",
            split="train",
            steps=self.warmup_steps,
            objective=lambda batch: self._task_losses(batch, None),
            fixed=self.weighting.fixed,
            project=self.weighting.project,
            schedule=self.warmup_schedule,
        )
        cycles = [self._cycle(number) for number in range(self.num_cycles)]
        search = [stage for cycle in cycles for stage in (self._weights_stage(cycle), self._policy_stage(cycle))]
        retraining = self.retraining.stages(
            self.network,
            lambda: self._learned().draw(),
            self._task_losses,
            self._restart,
            steps=self.retrain_steps,
            schedule=self.retrain_schedule,
            fixed=self.weighting.fixed,
            project=self.weighting.project,
            evaluate=("retrained",),
            evaluations=self.retrain_evaluations,
        )
        return [warmup, *search, *retraining]

    def _cycle(self, number: int) -> _Cycle:
        completed, blocks = number * self.cycle_size, len(self.network.blocks)
        speed = self.curriculum_speed
        return _Cycle(number, completed, 0 if speed is None else blocks - open_blocks(completed, speed, blocks))

    def _weights_stage(self, cycle: _Cycle) -> Stage:
        measured = cycle.number in self._measured_cycles()
        policy = cache(self.policy.on_host)  # it stands still
        return Stage(
            name=f"search{cycle.number:03}/weights",
            split="train1",
            steps=self.weight_steps,
            objective=lambda batch: self._task_losses(batch, policy().sample(cycle.completed), cycle.closed),
            optimizer="search",
            project=self.weighting.project,
            begin=lambda: forget(self.optimizers["weights"]),  # the search has its own; free the warm-up's memory
            on_best=lambda: self.kept.load_state_dict(self.policy.state_dict()),
            evaluate=("searched",) if measured else (),
        )

    def _measured_cycles(self) -> set[int]:
        """Evenly spaced over the cycles in which every block follows the policy, the last among them.

        AdaShare's train.py, train, takes its best, too, from these alone.
        """
        cycles = range(self.num_cycles)
        fully_open = [number for number in cycles if self._cycle(number).closed == 0] or [self.num_cycles - 1]
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

    def _task_losses(self, batch: Batch, gates: Tensor | None, closed: int = 0) -> Objective:
        predictions = self.network(batch.inputs, gates, closed)
        objective = weighted_sum(self.tasks, self.loss_weights, predictions, batch, self.weighting, self.parameters())
        return penalised(objective, self.network)

    def _policy_objective(self, batch: Batch, cycle: _Cycle) -> Objective:
        objective = self._task_losses(batch, self.policy.sample(cycle.completed), cycle.closed)
        for name, term in self.policy.regularisers(len(self.network.blocks) - cycle.closed).items():
            scalars = {**objective.scalars, name: term.value.detach()}
            objective = objective.plus({name: term.weight * term.value})._replace(scalars=scalars)
        return objective

    def _learned(self) -> Policy:
        return self.kept if self.from_best else self.policy

    def _restart(self) -> None:
        forget(self.optimizers["search"])
        forget(self.optimizers["weights"])
        self.weighting.restart()

    def predictors(self) -> Mapping[str, Predictor]:
        """`searched`: a policy drawn afresh for every batch, as the official evaluation does; `retrained`: the current draw."""
        policy = cache(self.policy.on_host)
        return {
            "searched": Predictor(lambda inputs: self.network(inputs, policy().draw())),
            "retrained": self.retraining.predictor(self.network),
        }

    @torch.no_grad()
    def summary(self) -> Mapping[str, Any]:
        """The learned probabilities of executing and every drawn policy, both tasks x blocks, and what blocks cost."""
        costs = [cost._asdict() for cost in block_costs(self.network, self.example)]
        return {"policy": self.retraining.learned(list(self.tasks), self._learned().probability(), costs)}
