"""HM2-BP: backpropagation from train to train, by how many spikes a neuron fires and what each input train contributed.

Jin, Zhang and Li, "Hybrid Macro/Micro Level Backpropagation for Training Deep Spiking Neural Networks", NeurIPS 2018,
section 3.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from runner.spiking.dynamics import Neuron, Trace


class Counts(NamedTuple):
    """What backpropagation from train to train looks at, of every neuron (...) over all of time."""

    silent: Tensor  # bool: it never fires
    number: Tensor  # o, how many spikes it fires, or 1
    share: Tensor  # a / (nu o), cut to [0, 1]: about 1 where a count is a / nu
    kept: Tensor  # c (T, ...), how much of a step's current its next firing finds in the membrane


def gradient_of_counts(states: Trace, grad: Tensor, neuron: Neuron, _firing: Tensor, _owed: Tensor) -> Tensor:
    """dL/dI (T, ...) from `grad` = dL/da, of whole trains: o spikes of a neuron, nu its threshold.

    The effect of an input train j on a neuron i, e_ij, is what j's postsynaptic current adds to i's membrane until each of
    i's firings. So a step's current counts with c[t] = (1 - 1 / tau_m)^(f - t), f being the neuron's next firing, and
    a_i = sum_j w_ij e_ij = sum_t c_i[t] I_i[t] is the sum of its membrane's potentials when it fires. The error of a count
    is dL/do = sum_t dL/da[t] a[t] / o, which is sum_i delta_i w_ij e_ij / o_j, then delta = (dL/do) / nu, and the current's
    gradient is delta (1 + a_i / (nu o)) c[t]: the second term is that of the neuron's own firing times in e_ij.

    Three things are not in the paper. Its second term, which the paper has in the gradient of the weights alone, goes on to
    earlier layers as well; and as a_i / (nu o) is about 1 where a count is a / nu, it is cut to [0, 1], for membranes that
    overshoot the threshold would multiply it from layer to layer. A neuron that never fires, but is once above rest, is taken
    for one that fires once: at the last step in c, and at any step in dL/do.
    """
    counts = counted(states, neuron)
    return errors_of_counts(states, grad, counts) / neuron.threshold * (1 + counts.share) * counts.kept


def counted(states: Trace, neuron: Neuron) -> Counts:
    """The counts of neurons and what came before each firing."""
    count = states.spikes.sum(0)
    silent, number = count == 0, count.clamp(min=1)
    potential = (states.spikes * states.membrane).sum(0) + torch.where(silent, states.membrane[-1], 0.0)
    share = (potential / (neuron.threshold * number)).clamp(0, 1)
    return Counts(silent, number, share, _until_the_next_firing(states.spikes, silent, 1 - 1.0 / neuron.tau_m))


def errors_of_counts(states: Trace, grad: Tensor, counts: Counts) -> Tensor:
    """dL/do (...) from `grad` = dL/da (T, ...), which is of the layers behind."""
    stirred = torch.where(states.membrane.amax(0) > 0, grad.mean(0), 0.0)
    return torch.where(counts.silent, stirred, (grad * states.psc).sum(0) / counts.number)


def _until_the_next_firing(spikes: Tensor, silent: Tensor, keep: float) -> Tensor:
    """c (T, ...): 1 at a firing, `keep` to the power of the steps until the next one before it, 0 after the last."""
    later = torch.zeros_like(spikes[0])
    last, steps = len(spikes) - 1, []
    for t in reversed(range(len(spikes))):
        fires = (spikes[t] > 0) | (silent & (t == last))
        later = torch.where(fires, 1.0, keep * later)
        steps.append(later)
    return torch.stack(steps[::-1])
