"""Whether a smaller network predicts what the network does that it was made of, with its reset weights zeroed."""

from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from runner.evolution.hypothesis import Masks, fit_weights, predict_with
from runner.evolution.tracer import WholeChannelsError, leaves
from runner.layers.modes import arguments, evaluation


def masked(model: nn.Module, masks: Masks, example: Any) -> list[Any]:
    """What `model` predicts with its reset weights zeroed."""
    with evaluation(model), torch.autocast(next(model.parameters()).device.type, enabled=False):
        expected = leaves(predict_with(model, fit_weights(model, masks), example))
    if not any(isinstance(leaf, Tensor) for leaf in expected):
        raise WholeChannelsError(
            f"the network predicts {type(expected[0]).__name__ if expected else 'nothing'}, in which no tensors are found to "
            "compare; let it return a tensor or a mapping from tasks to tensors"
        )
    return expected


def _predicted(slim: nn.Module, example: Any) -> list[Any]:
    with evaluation(slim), torch.autocast(next(slim.parameters()).device.type, enabled=False):
        return leaves(slim(*arguments(example)))


def difference(slim: nn.Module, expected: list[Any], example: Any) -> float:
    """How far predictions are from those expected, as a part of the largest; infinite where the network cannot run."""
    try:
        found = _predicted(slim, example)
    except Exception:  # whatever the network's own code says to a number that does not fit
        return inf
    return _farthest(expected, found)


def _farthest(expected: list[Any], found: list[Any]) -> float:
    if len(expected) != len(found):
        return inf
    far = 0.0
    for a, b in zip(expected, found, strict=True):
        if isinstance(a, Tensor):
            if a.shape != b.shape:
                return inf
            whole = a.isfinite()
            if not torch.equal(whole, b.isfinite()) or not torch.equal(a[~whole].nan_to_num(), b[~whole].nan_to_num()):
                return inf
            a, b = a[whole] + 0, b[whole] + 0  # booleans become numbers
            unlike = a != b
            if bool(unlike.any()):
                parts = (a - b).abs()[unlike] / (a.abs().max() + b.abs()[unlike])
                far = max(far, float(parts.max()))
    return far


def require_agreement(slim: nn.Module, expected: list[Any], example: Any, tolerance: float) -> None:
    """Raise ConfigurationError where `slim` does not predict what is expected."""
    try:
        found = _predicted(slim, example)
    except Exception as error:
        told = str(error) or type(error).__name__
        raise WholeChannelsError(
            f"the slim network cannot run ({told}); the forward functions of the network must take sizes from their inputs, such "
            "as x.flatten(1), or from attributes of the module that are followed, such as self.width, not write out numbers of "
            "channels"
        ) from error
    if _farthest(expected, found) > tolerance:
        raise WholeChannelsError(
            "the slim network predicts something else than the network with its reset weights zeroed; the forward functions of "
            "the network must not pick channels by their numbers, nor draw at random in evaluation mode"
        )
