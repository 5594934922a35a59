"""Deep Elastic Networks: learn how many channels of each block each task has, then train a network that has as many.

Ahn, Kim and Oh, "Deep Elastic Networks with Model Selection for Multi-Task Learning", ICCV 2019. Their selector chooses for
every image; here, beside AdaShare (Sun et al. 2020), it chooses for every task.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from runner.method import Batch, Method, Objective, Predictor, Setup, Stage, first
from runner.methods.objectives import EQUAL, penalised, weighted_sum
from runner.methods.optimizers import Kind, forget, two_rates
from runner.methods.retraining import Retraining
from runner.methods.schedules import step_decay
from runner.methods.searching import Cycle, Search
from runner.methods.weighting import RATE, weighting_of
from runner.methods.weighting import Kind as WeightingKind
from runner.models.channel_cost import channel_costs
from runner.models.elastic import LEVELS, Elastic
from runner.policies.levels import LevelPolicy


class DeepElastic(Method):
    """Warm-up with all channels; cycles of weight updates on train1 and selector updates on train2; training of the choice.

    That begins from fresh weights, or from those of elsewhere. `course` (cycles + 1, K, L, levels) are the probabilities of the
    levels before every cycle and after the last.
    """

    course: Tensor

    def __init__(
        self,
        *,
        setup: Setup,
        warmup_steps: int,
        num_cycles: int,
        weight_steps: int | None,
        policy_steps: int | None,
        retrain_steps: int,
        search_evaluations: int,
        retrain_evaluations: int,
        search_optimizer: Kind,
        exploration: float,
        share_weight: float,
        selector_learning_rate: float,
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
        assert isinstance(network, Elastic)
        self.network, tasks, blocks = network, list(setup.tasks), len(network.blocks)
        self.policy = LevelPolicy(
            levels=LEVELS,
            exploration=exploration,
            share_weight=share_weight,
            learning_rate=selector_learning_rate,
            tasks=tasks,
            blocks=blocks,
        )
        self.retraining = Retraining(len(tasks), blocks, draws=1, weights=setup.weights)
        self.retrain_steps, self.retrain_evaluations = setup.steps("retrain_steps", retrain_steps), retrain_evaluations
        every = decay_steps or retrain_steps / 3
        self.retrain_schedule = step_decay(retrain_steps, every, decay_factor)
        self.weighting = weighting_of(weighting, len(tasks), setup.epoch())
        rates = (learning_rate, backbone_learning_rate, weight_decay)
        learned = (list(self.weighting.parameters()), weighting_learning_rate or RATE)
        self.optimizers = {
            "weights": two_rates("adam", network, *rates, learned=learned),
            "search": two_rates(search_optimizer, network, *rates, key="method.search_optimizer", learned=learned),
            "policy": self.policy.optimizer(),
        }
        cycles = setup.phases("num_cycles", num_cycles)
        self.register_buffer("course", torch.zeros(cycles + 1, len(tasks), blocks, len(LEVELS)))
        self.search = Search(
            network=network,
            policy=self.policy,
            losses=self._losses,
            warmup_steps=setup.steps("warmup_steps", warmup_steps),
            num_cycles=cycles,
            weight_steps=setup.steps("weight_steps", weight_steps) if weight_steps else setup.epoch("train1"),
            policy_steps=setup.steps("policy_steps", policy_steps) if policy_steps else setup.epoch("train2"),
            cycle_size=1.0,  # nothing of this search depends on how far it is
            curriculum_speed=None,
            evaluations=search_evaluations,
            schedule=step_decay(warmup_steps, every, decay_factor),
            fixed=self.weighting.fixed,
            project=self.weighting.project,
            begin=self._begin_cycle,
        )

    def stages(self) -> Sequence[Stage]:
        """warmup, search<c>/weights and search<c>/policy for every cycle, retrain0."""
        retraining = self.retraining.stages(
            self.network,
            self._chosen,
            self._losses,
            self._restart,
            steps=self.retrain_steps,
            schedule=self.retrain_schedule,
            fixed=self.weighting.fixed,
            project=self.weighting.project,
            evaluate=("retrained",),
            evaluations=self.retrain_evaluations,
        )
        return [*self.search.stages(), *retraining]

    def _losses(self, batch: Batch, gates: Tensor | None, closed: int = 0) -> Objective:
        predictions = self.network(batch.inputs, gates, closed)
        weighting = self.weighting if torch.is_grad_enabled() else EQUAL  # a reward has no gradients to combine
        objective = weighted_sum(self.tasks, self.loss_weights, predictions, batch, weighting, self.parameters())
        return penalised(objective, self.network)

    @torch.no_grad()
    def _begin_cycle(self, cycle: Cycle) -> None:
        self.course[cycle.number] = self.policy.level_probability()
        forget(self.optimizers["weights"])  # the search has its own; free the warm-up's memory

    def _chosen(self) -> Tensor:
        self.course[-1] = self.policy.level_probability()
        return self.policy.draw()

    def _restart(self) -> None:
        for name in ("search", "weights"):
            forget(self.optimizers[name])
        self.weighting.restart()

    def predictors(self) -> Mapping[str, Predictor]:
        """`searched`: the choices that are the most likely now; `retrained`: those of the final training."""

        def searched(inputs: Any) -> Mapping[str, Tensor]:
            return self.network(inputs, self.policy.draw())

        return {"searched": Predictor(searched), "retrained": self.retraining.predictor(self.network, self.policy)}

    @torch.no_grad()
    def summary(self) -> Mapping[str, Any]:
        """Probabilities of the levels over the search, the choice that was trained, and what that costs each task."""
        chosen = self.retraining.policies[0]
        passes, together, whole = channel_costs(self.network, self.example, chosen)
        return {
            "channels": {
                "tasks": list(self.tasks),
                "levels": list(LEVELS),
                "course": self.course.tolist(),
                "chosen": chosen.tolist(),
                "costs": [cost._asdict() for cost in passes],
                "parameters_together": together,
                "whole": whole._asdict(),
            }
        }
