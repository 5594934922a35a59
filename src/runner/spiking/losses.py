"""Losses on the postsynaptic currents of a spiking output layer, and the spike trains wanted of it."""

from collections.abc import Mapping, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from runner.errors import ConfigurationError
from runner.spiking.dynamics import psc_filter
from runner.spiking.words import Version, check

# Of 5 to 9 steps. From 10 on it is [0, 1, 0, 1, ...]. Of fewer than 5, of which the authors say nothing, a spike in every step:
# [0, 1] cut off from these, filtered twice, has its peak at a third of what a spike gives, so that silence would be nearest.
_TRAINS: Mapping[Version, tuple[int, ...]] = {"released": (0, 1, 1, 1, 1), "published": (0, 1, 0, 1, 1)}
_FILTERED: Mapping[Version, int] = {"released": 2, "published": 1}  # how often the train passes the synapse


def desired_train(steps: int, version: Version = "released") -> list[int]:
    """The spikes (T,) wanted of the true class: the authors', repeated and cut to `steps`; other classes want none."""
    check("version", version, Version)
    pattern = (1,) if steps < 5 else (0, 1) if steps >= 10 else _TRAINS[version]
    return [pattern[t % len(pattern)] for t in range(steps)]


@cache
def desired_psc(train: tuple[float, ...], tau_s: float, version: Version = "released") -> Tensor:
    """The wanted postsynaptic current (T,): the train filtered once (`published`) or twice (`released`, as its code does)."""
    check("version", version, Version)
    values = torch.tensor(train, dtype=torch.float32)
    for _ in range(_FILTERED[version]):
        values = psc_filter(values, tau_s)
    return values


def within_reach(target: Tensor, tau_s: float) -> bool:
    """Whether some train of spikes has a psc nearer to `target` (T,) than silence, in squared distance.

    With k_t the psc of one spike in step t, that spike is nearer by 2 <target, k_t> - |k_t|^2; several together are nearer by
    no more than the sum of theirs, as psc is never negative. So one is nearer, or none are.
    """
    each = psc_filter(torch.eye(len(target)).to(target), tau_s)  # (T, step of the spike)
    return bool((2 * target @ each > each.square().sum(0)).any())


def distance(psc: Tensor, labels: Tensor, wanted: Tensor) -> Tensor:
    """L = 1/2 sum over samples, classes and steps of (psc - wanted of the true class, 0 of others)^2.

    `psc` (T, B, classes), `labels` (B,) int64, `wanted` (T,). Summed over the batch, as in the authors' code.
    """
    true = _of_class(labels, psc.shape[-1]).to(psc)
    return 0.5 * (psc - wanted.to(psc)[:, None, None] * true).square().sum()


def kernel_loss(
    psc: Tensor, labels: Tensor, *, tau_s: float, version: Version = "released", train: Sequence[float] | None = None
) -> Tensor:
    """The `distance` of psc (T, B, classes) from eps * d, the squared van Rossum distance; `labels` (B,) int64.

    `train` (T,) is d for the true class, by default `desired_train`; d is 0 for the others. Raises `ConfigurationError` for a
    train of another length.
    """
    wanted = desired_train(len(psc), version) if train is None else train
    if len(wanted) != len(psc):
        raise ConfigurationError(
            f"the desired train has {len(wanted)} steps, the network {len(psc)}: give one per step"
        )
    return distance(psc, labels, desired_psc(tuple(wanted), tau_s, version))


def count_loss(psc: Tensor, labels: Tensor, *, desired: float, undesired: float) -> Tensor:
    """L = T/2 sum over samples and classes of d^2, d = (sum over t of psc - wanted) / T.

    Wanted is `desired` for the true class and `undesired` for others; d is 0 where the true class has more or another has
    less. The gradient with respect to psc is d at every step. `psc` (T, B, classes), `labels` (B,) int64.
    """
    steps = psc.shape[0]
    true = _of_class(labels, psc.shape[-1])
    difference = (psc.sum(0) - torch.where(true, desired, undesired)) / steps
    kept = torch.where(true, difference.clamp(max=0), difference.clamp(min=0))
    return 0.5 * steps * kept.square().sum()


def rate_loss(psc: Tensor, labels: Tensor) -> Tensor:
    """1/2 mean over samples, sum over classes of (mean over t of psc - 1 of the true class, 0 of others)^2: STBP's.

    `psc` (T, B, classes), `labels` (B,) int64.
    """
    true = _of_class(labels, psc.shape[-1]).to(psc)
    return 0.5 * (psc.mean(0) - true).square().sum(-1).mean()


def _of_class(labels: Tensor, classes: int) -> Tensor:
    """Whose class each column is, (B, classes) bool; unlike torch's own one-hot code it waits for no device."""
    return labels[:, None] == torch.arange(classes, device=labels.device)


def softmax_loss(psc: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy (mean over samples) of the currents summed over time; `psc` (T, B, classes), `labels` (B,) int64."""
    return F.cross_entropy(psc.sum(0), labels)
