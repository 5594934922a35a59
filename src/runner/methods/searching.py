"""AdaShare's search: after a warm-up, weights learn under sampled policies and the policy under standing weights, in turns.

train.py and envs/blockdrop_env.py in github.com/sunxm2357/AdaShare (Sun et al. 2020).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from torch import Tensor

from runner.batch import Batch
from runner.method import Objective, Setup, Stage, nothing
from runner.methods.optimizers import Kind
from runner.methods.steps import Recipe, Training
from runner.models import Routed
from runner.policies import LearnedPolicy
from runner.policies.gumbel import open_blocks


class SearchRecipe(Recipe):
    """The settings of conf/method/_search.yaml, which such a method takes as `**recipe: Unpack[SearchRecipe]`."""

    warmup_steps: int
    num_cycles: int
    weight_steps: int | None
    policy_steps: int | None
    retrain_steps: int
    search_evaluations: int
    retrain_evaluations: int
    search_optimizer: Kind


Losses = Callable[[Batch, Tensor | None, int], Objective]  # batch, gates, leading blocks that every task executes


@dataclass(frozen=True)
class Cycle:
    """Where one alternation of weight and policy updates stands."""

    number: int
    completed: float  # cycles of the unshrunk recipe that went before
    closed: int  # leading blocks that every task executes


@dataclass(frozen=True, kw_only=True)
class Search:
    """The stages that train `policy` and, meanwhile, `network`."""

    network: Routed
    policy: LearnedPolicy
    losses: Losses
    warmup_steps: int
    num_cycles: int
    weight_steps: int
    policy_steps: int
    cycle_size: float  # cycles of the unshrunk recipe from one of ours to the next
    curriculum_speed: int | None  # cycles until one more block follows the policy; None: all from the beginning
    evaluations: int
    schedule: Callable[[float], float]  # of the warm-up
    fixed: bool  # the warm-up's steps do all the same on the device
    project: Callable[[], None]  # after each step of the weights
    begin: Callable[[Cycle], None]  # before every stage of weight updates
    on_best: Callable[[], None] = nothing

    def stages(self) -> Sequence[Stage]:
        """warmup, search<c>/weights and search<c>/policy for every cycle."""
        warmup = Stage(
            name="warmup",
            split="train",
            steps=self.warmup_steps,
            objective=lambda batch: self.losses(batch, None, 0),
            fixed=self.fixed,
            project=self.project,
            schedule=self.schedule,
        )
        cycles = [self.cycle(number) for number in range(self.num_cycles)]
        return [warmup, *(stage for cycle in cycles for stage in (self._weights(cycle), self._policy(cycle)))]

    def cycle(self, number: int) -> Cycle:
        """The cycle of that number, from 0."""
        completed, blocks = number * self.cycle_size, len(self.network.blocks)
        speed = self.curriculum_speed
        return Cycle(number, completed, 0 if speed is None else blocks - open_blocks(completed, speed, blocks))

    def _weights(self, cycle: Cycle) -> Stage:
        policy = cache(self.policy.standing)  # it stands still
        return Stage(
            name=f"search{cycle.number:03}/weights",
            split="train1",
            steps=self.weight_steps,
            objective=lambda batch: self.losses(batch, policy().sample(cycle.completed, batch.inputs), cycle.closed),
            optimizer="search",
            project=self.project,
            begin=partial(self.begin, cycle),
            on_best=self.on_best,
            evaluate=("searched",) if cycle.number in self._measured() else (),
        )

    def _measured(self) -> set[int]:
        """Evenly spaced over the cycles in which every block follows the policy, the last among them.

        AdaShare's train.py, train, takes its best, too, from these alone.
        """
        cycles = range(self.num_cycles)
        fully_open = [number for number in cycles if self.cycle(number).closed == 0] or [self.num_cycles - 1]
        count = min(self.evaluations, len(fully_open))
        return {fully_open[round(len(fully_open) * (number + 1) / count) - 1] for number in range(count)}

    def _policy(self, cycle: Cycle) -> Stage:
        return Stage(
            name=f"search{cycle.number:03}/policy",
            split="train2",
            steps=self.policy_steps,
            objective=lambda batch: self._policy_objective(batch, cycle),
            optimizer="policy",
        )

    def _policy_objective(self, batch: Batch, cycle: Cycle) -> Objective:
        followed = len(self.network.blocks) - cycle.closed

        def losses(gates: Tensor) -> Objective:
            return self.losses(batch, gates, cycle.closed)

        objective = self.policy.objective(losses, batch.inputs, cycle.completed, followed)
        for name, term in self.policy.regularisers(batch.inputs, followed).items():
            scalars = {**objective.scalars, name: term.value.detach()}
            objective = objective.plus({name: term.weight * term.value})._replace(scalars=scalars)
        return objective


def searching(setup: Setup, recipe: SearchRecipe, training: Training, **parts: Any) -> Search:
    """The search of a recipe; `parts` are the other fields of `Search`."""
    wanted, weight_steps, policy_steps = recipe["num_cycles"], recipe["weight_steps"], recipe["policy_steps"]
    cycles = setup.phases("num_cycles", wanted)
    return Search(
        warmup_steps=setup.steps("warmup_steps", recipe["warmup_steps"]),
        num_cycles=cycles,
        weight_steps=setup.steps("weight_steps", weight_steps) if weight_steps else setup.epoch("train1"),
        policy_steps=setup.steps("policy_steps", policy_steps) if policy_steps else setup.epoch("train2"),
        cycle_size=(wanted - 1) / max(1, cycles - 1),  # the last has as many before it as in the unshrunk recipe
        evaluations=recipe["search_evaluations"],
        schedule=training.schedule(recipe["warmup_steps"], recipe["retrain_steps"]),
        fixed=training.weighting.fixed,
        project=training.weighting.project,
        **parts,
    )


def retrained(setup: Setup, recipe: SearchRecipe, training: Training) -> dict[str, Any]:
    """What a recipe says of the stages that train what was found."""
    steps = recipe["retrain_steps"]
    return {
        "steps": setup.steps("retrain_steps", steps),
        "schedule": training.schedule(steps, steps),
        "project": training.weighting.project,
        "evaluate": ("retrained",),
        "evaluations": recipe["retrain_evaluations"],
    }
