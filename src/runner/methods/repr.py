"""RePr: filters that repeat others are taken out for a while and come back in directions of their own.

Prakash et al., "RePr: Improved Training of Convolutional Filters", CVPR 2019, algorithm 1.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Unpack

import torch
from torch import Tensor

from runner.batch import first
from runner.evolution import pruning, redundancy
from runner.layers.kinds import BatchNorm
from runner.method import Method, Predictor, Series, Setup, Stage
from runner.methods.epochs import Recipe, Training
from runner.methods.states import Named


class RePr(Method):
    """Rounds of training all filters and then all but the most redundant `prune_share`; at last all of them again.

    What is out is zero: the filter, its bias, and weight and bias of the batch norm that reads that convolution alone, so that
    nothing of it reaches other layers; of a norm after a sum or a concatenation nothing is. Filters come back orthogonal to those
    that stayed and to what they were, with their norm as in the beginning and without momentum. One schedule spans all phases.
    Buffers: `kept`, masks of what is out by parameter; `previous`, filters when they were taken out; `shares` (rounds), of the
    weights of all layers that the rounds leave.
    """

    series = Series("phase")
    shares: Tensor

    def __init__(
        self,
        *,
        setup: Setup,
        rounds: int,
        epochs: int,
        pruned_epochs: int,
        prune_share: float,
        **recipe: Unpack[Recipe],
    ) -> None:
        super().__init__()
        self.network, self.prune_share = setup.network(), prune_share
        self.recipe = Training(setup, self.network, recipe)
        self.rounds = setup.phases("rounds", rounds)
        self.epochs, self.pruned_epochs = setup.epochs("epochs", epochs), setup.epochs("pruned_epochs", pruned_epochs)
        self.filters = list(redundancy.filters(self.network, first(setup.example)))
        self.norms = redundancy.norms(self.network, first(setup.example))
        self.kept = Named(self._masks({name: torch.ones(len(self._weight(name))) for name in self.filters}))
        self.previous = Named({f"{name}.weight": self._weight(name) for name in self.filters})
        self.register_buffer("shares", torch.ones(self.rounds))
        self.optimizers, self.weighting = {"weights": self.recipe.optimizer}, self.recipe.weighting

    def _weight(self, name: str) -> Tensor:
        return self.network.get_parameter(f"{name}.weight")

    def _masks(self, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Masks of parameters, of masks (C,) of every convolution's filters."""
        masks = dict[str, Tensor]()
        for name, mask in kept.items():
            masks[f"{name}.weight"] = mask.view(-1, *(1,) * (self._weight(name).dim() - 1))
            own = (f"{name}.bias", *(f"{self.norms[name]}.{leaf}" for leaf in ("weight", "bias") if name in self.norms))
            masks |= {parameter: mask for parameter, _ in self.network.named_parameters() if parameter in own}
        return masks

    def stages(self) -> Sequence[Stage]:
        """full00, pruned00, full01, ..., and one more with all filters."""
        total, stages, done = self.rounds * (self.epochs + self.pruned_epochs) + self.epochs, list[Stage](), 0
        for number in range(self.rounds + 1):
            begin = partial(self._restore, number)
            stages.append(self._stage(f"full{number:02}", self.epochs, (done, total), begin=begin))
            done += self.epochs
            if number < self.rounds:
                hooks = {"begin": partial(self._drop, number), "project": lambda: self.kept.mask(self.network)}
                stages.append(self._stage(f"pruned{number:02}", self.pruned_epochs, (done, total), **hooks))
                done += self.pruned_epochs
        return stages

    def _stage(self, name: str, epochs: int, within: tuple[int, int], **hooks: Any) -> Stage:
        return self.recipe.stage(name, epochs, within=within, evaluate=("trained",), **hooks)

    @torch.no_grad()
    def _drop(self, number: int) -> None:
        weights = {name: self._weight(name) for name in self.filters}
        self.previous.write({f"{name}.weight": weight for name, weight in weights.items()})
        kept = redundancy.without_redundant(weights, self.prune_share)
        self.kept.write(self._masks(kept))
        out = sum(float((1 - kept[name]).sum()) * weight[0].numel() for name, weight in weights.items())
        self.shares[number] = 1 - out / sum(mask.numel() for mask in pruning.whole(self.network).values())
        self.kept.mask(self.network)

    @torch.no_grad()
    def _restore(self, number: int) -> None:
        if number == 0:
            return
        kept, previous = self.kept.read(), self.previous.read()
        for name in self.filters:
            weight, out = self._weight(name), kept[f"{name}.weight"].flatten() == 0
            if out.any():
                before = previous[f"{name}.weight"][out].flatten(1)
                rows = redundancy.orthogonal(weight[~out].flatten(1), before)
                weight[out] = rows.view(-1, *weight.shape[1:])
                if name in self.norms:
                    _begin_anew(self.network.get_submodule(self.norms[name]), out)
        self.recipe.restart()

    def predictors(self) -> Mapping[str, Predictor]:
        """`trained`."""
        return {"trained": Predictor(self.network, lambda: self.network)}

    def summary(self) -> Mapping[str, Any]:
        """The share of weights that each phase trained."""
        phases = [share for left in self.shares.tolist() for share in (1.0, left)]
        return {"tickets": {"remaining": [*phases, 1.0]}}


def _begin_anew(norm: torch.nn.Module, channels: Tensor) -> None:
    """Let some channels of a batch norm be as in the beginning."""
    assert isinstance(norm, BatchNorm)
    for value, start in ((norm.weight, 1), (norm.bias, 0), (norm.running_mean, 0), (norm.running_var, 1)):
        if value is not None:
            value[channels] = start
