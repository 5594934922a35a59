"""Effects of trains of spikes on neurons, summed from firing to firing, as HM2-BP and ST-RSBP define them."""

from itertools import pairwise

import torch

KEEP = 1 - 1 / 5.0  # of membranes with tau_m = 5


def firings(spikes):
    """The steps at which a neuron fires; of one that never does, the last."""
    found = spikes.nonzero().flatten().tolist()
    return found or [len(spikes) - 1]


def effect(spikes, coming):
    """e of a train's current (T,) on a neuron with these spikes (T,): what each firing finds of it in the membrane."""
    total = 0.0
    for before, firing in pairwise([-1, *firings(spikes)]):
        for step in range(before + 1, firing + 1):
            total += KEEP ** (firing - step) * coming[step].item()
    return total


def effects(layer, coming):
    """e (neurons, inputs) of every input's current on every neuron."""
    rows = [[effect(spikes, current) for current in coming[:, 0].unbind(1)] for spikes in layer.spikes[:, 0].unbind(1)]
    return torch.tensor(rows, dtype=torch.float64)


def own_times(weight, e, count):
    """a_i / (nu o_i), which is about 1 and cut to [0, 1]."""
    return ((weight * e).sum(1) / count).clamp(0, 1)
