"""Local learning rules of synapses: by times of spikes, or by rates. T steps, B samples, D inputs, N neurons."""

import torch
from torch import Tensor


def traces(spikes: Tensor, tau: float) -> Tensor:
    """x[t] = (1 - 1 / tau) x[t-1] + s[t] of spikes (T, ...)."""
    value, found = torch.zeros_like(spikes[0]), []
    for step in spikes:
        value = value * (1 - 1 / tau) + step
        found.append(value)
    return torch.stack(found)


def stdp(before: Tensor, after: Tensor, *, tau_plus: float, tau_minus: float, depression: float) -> Tensor:
    """Pair-based spike-timing-dependent plasticity (N, D), the mean over samples, of spikes (T, B, D) and (T, B, N).

    Each spike after a synapse adds the trace of those before it, up to and with its step; each spike before takes
    `depression` times the trace of those after it, up to the step before (Song, Miller and Abbott, Nature Neuroscience 2000,
    in the form of traces).
    """
    earlier = traces(after, tau_minus) - after
    potentiation = after.flatten(0, 1).T @ traces(before, tau_plus).flatten(0, 1)
    return (potentiation - depression * (earlier.flatten(0, 1).T @ before.flatten(0, 1))) / before.shape[1]


def bcm(before: Tensor, after: Tensor, threshold: Tensor) -> Tensor:
    """Spike-rate-dependent plasticity (N, D), the mean over samples of x y (y - theta), of rates (B, D), (B, N) and theta (N,).

    Bienenstock, Cooper and Munro, Journal of Neuroscience 1982: high rates on both sides strengthen, low ones after weaken.
    """
    return (after * (after - threshold)).T @ before / len(before)
