"""AdaShare: learn per task and block whether to execute or skip it, then retrain with drawn policies.

Sun et al., "AdaShare: Learning What To Share For Efficient Deep Multi-Task Learning", NeurIPS 2020; train.py, re-train.py and
envs/blockdrop_env.py in github.com/sunxm2357/AdaShare.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor

from runner.errors import chosen
from runner.method import Batch, Inputs, Method, Objective, Predictor, Series, Setup, Stage, first
from runner.methods.objectives import EQUAL, penalised, weighted_sum
from runner.methods.optimizers import Kind, forget, two_rates
from runner.methods.retraining import Retraining
from runner.methods.schedules import step_decay
from runner.methods.searching import Search
from runner.methods.weighting import RATE, weighting_of
from runner.methods.weighting import Kind as WeightingKind
from runner.models import Gated
from runner.policies import LearnedPolicy, Policy
from runner.policies.block_cost import block_costs


class AdaShare(Method):
    """Warm-up; cycles of weight updates on train1 and policy updates on train2; retraining from fresh weights per draw.

    The network is used for the search and then, with new weights, for each draw in turn; weights of elsewhere are where both
    begin. A policy that learns nothing is not searched for, its draws are trained at once. `kept` is the policy as it was at
    the search's best evaluation.
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
        self.network, tasks, blocks = network, list(setup.tasks), len(network.blocks)
        self.policy = policy(tasks=tasks, blocks=blocks)
        self.kept = copy.deepcopy(self.policy)
        self.from_best = chosen("method.policy_from", policy_from, {"last": False, "best": True})
        draws = setup.phases("num_draws", num_draws)
        self.retraining = Retraining(len(tasks), blocks, draws=draws, weights=setup.weights)
        self.retrain_steps, self.retrain_evaluations = setup.steps("retrain_steps", retrain_steps), retrain_evaluations
        every = decay_steps or retrain_steps / 3
        self.retrain_schedule = step_decay(retrain_steps, every, decay_factor)
        self.weighting = weighting_of(weighting, len(tasks), setup.epoch())
        rates = (learning_rate, backbone_learning_rate, weight_decay)
        learned = (list(self.weighting.parameters()), weighting_learning_rate or RATE)
        self.optimizers = {"weights": two_rates("adam", network, *rates, learned=learned)}
        self.search: Search | None = None
        if isinstance(self.policy, LearnedPolicy):
            cycles = setup.phases("num_cycles", num_cycles)
            self.search = Search(
                network=network,
                policy=self.policy,
                losses=self._task_losses,
                warmup_steps=setup.steps("warmup_steps", warmup_steps),
                num_cycles=cycles,
                weight_steps=setup.steps("weight_steps", weight_steps) if weight_steps else setup.epoch("train1"),
                policy_steps=setup.steps("policy_steps", policy_steps) if policy_steps else setup.epoch("train2"),
                # the last comes when as many went before as in the unshrunk recipe
                cycle_size=(num_cycles - 1) / max(1, cycles - 1),
                curriculum_speed=curriculum_speed if curriculum else None,
                evaluations=search_evaluations,
                schedule=step_decay(warmup_steps, every, decay_factor),
                fixed=self.weighting.fixed,
                project=self.weighting.project,
                # the search has an optimizer of its own; free the warm-up's memory
                begin=lambda cycle: forget(self.optimizers["weights"]),
                on_best=lambda: self.kept.load_state_dict(self.policy.state_dict()),
            )
            self.optimizers |= {
                "search": two_rates(search_optimizer, network, *rates, key="method.search_optimizer", learned=learned),
                "policy": self.policy.optimizer(),
            }

    def stages(self) -> Sequence[Stage]:
        """warmup, search<c>/weights and search<c>/policy for every cycle, retrain<r> for every draw."""
        retraining = self.retraining.stages(
            self.network,
            lambda: self._learned().draw(),
            self._retrained_losses,
            self._restart,
            steps=self.retrain_steps,
            schedule=self.retrain_schedule,
            fixed=self.weighting.fixed and self.policy.decided,
            project=self.weighting.project,
            evaluate=("retrained",),
            evaluations=self.retrain_evaluations,
        )
        return [*(self.search.stages() if self.search else ()), *retraining]

    def _task_losses(self, batch: Batch, gates: Tensor | None, closed: int = 0) -> Objective:
        predictions = self.network(batch.inputs, gates, closed)
        weighting = self.weighting if torch.is_grad_enabled() else EQUAL  # a reward has no gradients to combine
        objective = weighted_sum(self.tasks, self.loss_weights, predictions, batch, weighting, self.parameters())
        return penalised(objective, self.network)

    def _retrained_losses(self, batch: Batch, drawn: Tensor) -> Objective:
        return self._task_losses(batch, self._learned().gates(drawn, batch.inputs, training=True))

    def _learned(self) -> Policy:
        return self.kept if self.from_best else self.policy

    def _restart(self) -> None:
        for name in ("search", "weights"):
            if name in self.optimizers:
                forget(self.optimizers[name])
        self.weighting.restart()

    def predictors(self) -> Mapping[str, Predictor]:
        """`searched`: a policy drawn afresh for every batch, as the official evaluation does; `retrained`: the current draw."""
        retrained = {"retrained": self.retraining.predictor(self.network, self._learned())}
        if self.search is None:
            return retrained
        policy = cache(self.search.policy.standing)

        def searched(inputs: Inputs) -> Mapping[str, Tensor]:
            return self.network(inputs, policy().gates(policy().draw(), inputs, training=False))

        return {"searched": Predictor(searched), **retrained}

    @torch.no_grad()
    def summary(self) -> Mapping[str, Any]:
        """The learned probabilities of executing and every drawn policy, both tasks x blocks, and what blocks cost."""
        costs = [cost._asdict() for cost in block_costs(self.network, self.example)]
        return {"policy": self.retraining.learned(list(self.tasks), self._learned(), costs)}
