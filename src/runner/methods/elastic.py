"""Deep Elastic Networks: learn how many channels of each block each task has, then train a network that has as many.

Ahn, Kim and Oh, "Deep Elastic Networks with Model Selection for Multi-Task Learning", ICCV 2019. Their selector chooses for
every image; here, beside AdaShare (Sun et al. 2020), it chooses for every task.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import torch
from torch import Tensor

from runner.batch import Batch, first
from runner.method import Method, Objective, Predictor, Setup, Stage
from runner.methods.optimizers import forget
from runner.methods.retraining import Retraining
from runner.methods.searching import Cycle, SearchRecipe, retrained, searching
from runner.methods.steps import Training
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
        exploration: float,
        share_weight: float,
        selector_learning_rate: float,
        **recipe: Unpack[SearchRecipe],
    ) -> None:
        super().__init__()
        self.tasks, self.example = setup.tasks, first(setup.example)
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
        self.recipe = Training(setup, network, recipe, sharing=len(tasks))
        self.retrained, self.weighting = retrained(setup, recipe, self.recipe), self.recipe.weighting
        self.optimizers = {
            "weights": self.recipe.optimizer("adam", network),
            "search": self.recipe.optimizer(recipe["search_optimizer"], network, "method.search_optimizer"),
            "policy": self.policy.optimizer(),
        }
        self.search = searching(
            setup,
            recipe,
            self.recipe,
            network=network,
            policy=self.policy,
            losses=self._losses,
            curriculum_speed=None,
            begin=self._begin_cycle,
        )
        self.register_buffer("course", torch.zeros(self.search.num_cycles + 1, len(tasks), blocks, len(LEVELS)))

    def stages(self) -> Sequence[Stage]:
        """warmup, search<c>/weights and search<c>/policy for every cycle, retrain0."""
        retraining = self.retraining.stages(
            self.network,
            self._chosen,
            self._losses,
            self._restart,
            fixed=self.weighting.fixed,
            **self.retrained,
        )
        return [*self.search.stages(), *retraining]

    def _losses(self, batch: Batch, gates: Tensor | None, closed: int = 0) -> Objective:
        return self.recipe.loss(self.network(batch.inputs, gates, closed), batch, self.network, self.parameters())

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
