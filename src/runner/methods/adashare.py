"""AdaShare: learn per task and block whether to execute or skip it, then retrain with drawn policies.

Sun et al., "AdaShare: Learning What To Share For Efficient Deep Multi-Task Learning", NeurIPS 2020; train.py, re-train.py and
envs/blockdrop_env.py in github.com/sunxm2357/AdaShare.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, Unpack

import torch
from torch import Tensor

from runner.batch import Batch, Inputs, first
from runner.errors import chosen
from runner.method import Method, Objective, Predictor, Series, Setup, Stage
from runner.methods.optimizers import forget
from runner.methods.retraining import Retraining
from runner.methods.searching import Search, SearchRecipe, retrained, searching
from runner.methods.steps import Training
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
        num_draws: int,
        curriculum: bool,
        curriculum_speed: int,
        policy_from: Literal["last", "best"],
        **recipe: Unpack[SearchRecipe],
    ) -> None:
        super().__init__()
        self.tasks, self.example = setup.tasks, first(setup.example)
        network = setup.network()
        assert isinstance(network, Gated)
        self.network, tasks, blocks = network, list(setup.tasks), len(network.blocks)
        self.policy = policy(tasks=tasks, blocks=blocks)
        self.kept = copy.deepcopy(self.policy)
        self.from_best = chosen("method.policy_from", policy_from, {"last": False, "best": True})
        draws = setup.phases("num_draws", num_draws)
        self.retraining = Retraining(len(tasks), blocks, draws=draws, weights=setup.weights)
        self.recipe = Training(setup, network, recipe, sharing=len(tasks))
        self.retrained, self.weighting = retrained(setup, recipe, self.recipe), self.recipe.weighting
        self.optimizers = {"weights": self.recipe.optimizer("adam", network)}
        self.search: Search | None = None
        if isinstance(self.policy, LearnedPolicy):
            self.search = searching(
                setup,
                recipe,
                self.recipe,
                network=network,
                policy=self.policy,
                losses=self._task_losses,
                curriculum_speed=curriculum_speed if curriculum else None,
                # the search has an optimizer of its own; free the warm-up's memory
                begin=lambda cycle: forget(self.optimizers["weights"]),
                on_best=lambda: self.kept.load_state_dict(self.policy.state_dict()),
            )
            self.optimizers |= {
                "search": self.recipe.optimizer(recipe["search_optimizer"], network, "method.search_optimizer"),
                "policy": self.policy.optimizer(),
            }

    def stages(self) -> Sequence[Stage]:
        """warmup, search<c>/weights and search<c>/policy for every cycle, retrain<r> for every draw."""
        retraining = self.retraining.stages(
            self.network,
            lambda: self._learned().draw(),
            self._retrained_losses,
            self._restart,
            fixed=self.weighting.fixed and self.policy.decided,
            **self.retrained,
        )
        return [*(self.search.stages() if self.search else ()), *retraining]

    def _task_losses(self, batch: Batch, gates: Tensor | None, closed: int = 0) -> Objective:
        return self.recipe.loss(self.network(batch.inputs, gates, closed), batch, self.network, self.parameters())

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
