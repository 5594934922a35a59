"""Lottery tickets: train, prune the smallest weights, rewind the others, again.

Frankle and Carbin, "The Lottery Ticket Hypothesis", ICLR 2019, section 2, iterative pruning with resetting; rewinding to
early weights and the schedule from there on, Frankle et al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis",
ICML 2020.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Unpack

import torch
from torch import Tensor

from runner.evolution import pruning
from runner.method import Method, Order, Predictor, Series, Setup, Stage
from runner.methods import prunable
from runner.methods.epochs import Recipe, Training
from runner.methods.states import Frozen, Named


class Lottery(Method):
    """Level n trains (1 - prune_share)^n of the weights of all convolution and linear layers, the first level all of them.

    Between levels every parameter and buffer of the network goes back to what it was after `rewind_epochs` epochs of the
    first level: `early`. `shares` (levels) are the shares of weights that the levels train.
    """

    series = Series("level")
    shares: Tensor

    def __init__(
        self,
        *,
        setup: Setup,
        levels: int,
        epochs: int,
        prune_share: float,
        scope: pruning.Scope,
        rewind_epochs: int,
        repeat_order: bool,
        **recipe: Unpack[Recipe],
    ) -> None:
        super().__init__()
        self.network, self.prune_share, self.scope = setup.network(), prune_share, scope
        self.early = Frozen(copy.deepcopy(self.network))
        self.recipe, self.epoch = Training(setup, self.network, recipe), setup.epoch()
        self.levels, self.epochs = setup.phases("levels", levels), setup.epochs("epochs", epochs)
        self.rewind = min(setup.steps("rewind_epochs", rewind_epochs), self.epochs - 1)
        self.repeat_order = repeat_order
        self.masks = Named(prunable.whole(self.network))
        self.register_buffer("shares", torch.ones(self.levels))
        self.optimizers, self.weighting = {"weights": self.recipe.optimizer}, self.recipe.weighting

    def stages(self) -> Sequence[Stage]:
        """level00, level01, ...; where weights are rewound to early ones, `early` before them."""
        early = [self.recipe.stage("early", self.rewind, within=(0, self.epochs))] if self.rewind else []
        return [*early, *(self._level(number) for number in range(self.levels))]

    def _level(self, number: int) -> Stage:
        epochs = self.epochs - self.rewind
        return self.recipe.stage(
            f"level{number:02}",
            epochs,
            within=(self.rewind, self.epochs),
            begin=partial(self._begin, number),
            project=lambda: self.masks.mask(self.network),
            order=_back(self.recipe.order, number * epochs * self.epoch) if self.repeat_order else self.recipe.order,
            evaluate=("ticket",),
        )

    @torch.no_grad()
    def _begin(self, level: int) -> None:
        if level == 0:
            self.early.network.load_state_dict(self.network.state_dict())
            return
        self.recipe.begin_anew()
        self.masks.write(pruning.pruned(self.network, self.masks.read(), self.prune_share, self.scope))
        self.shares[level] = pruning.remaining(self.masks.read())
        self.network.load_state_dict(self.early.network.state_dict())
        self.masks.mask(self.network)

    def predictors(self) -> Mapping[str, Predictor]:
        """`ticket`: the network, zero where it is pruned."""
        return {"ticket": Predictor(self.network, lambda: self.network)}

    def summary(self) -> Mapping[str, Any]:
        """The share of weights that each level trained."""
        return {"tickets": {"remaining": self.shares.tolist()}}


def _back(order: Order, batches: int) -> Order:
    """An order of samples as it was so many batches before."""
    return lambda split, number: order(split, number - batches)
