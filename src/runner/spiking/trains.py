"""ST-RSBP: backpropagation from train to train that goes through recurrent layers without unrolling time.

Zhang and Li, "Spike-Train Level Backpropagation for Training Deep Recurrent Spiking Neural Networks", NeurIPS 2019, section 3;
layers/Reservoir.cu in github.com/stonezwr/ST-RSBP. The effect e_ij of a train on a neuron, a and o are those of `counts`.
"""

from math import inf, log1p

import torch
from torch import Tensor

from runner.spiking.counts import Counts, counted, errors_of_counts
from runner.spiking.dynamics import Neuron, Trace


def gradient_of_trains(states: Trace, grad: Tensor, neuron: Neuron, _firing: Tensor, _owed: Tensor) -> Tensor:
    """dL/dI (T, ...) from `grad` = dL/da, of whole trains: dL/do / nu times the `gain` of a count, times c[t]."""
    counts = counted(states, neuron)
    return errors_of_counts(states, grad, counts) / neuron.threshold * gain(counts, neuron) * counts.kept


def gradient_of_recurrent_trains(states: Trace, grad: Tensor, weight: Tensor, neuron: Neuron) -> tuple[Tensor, Tensor]:
    """dL/dI (T, B, N) of neurons that feel each other's currents of the step before by `weight` (N, N), and dL/d(weight).

    With e_ip the effect of neuron p's train on i's, all errors of counts are solved for together:
    dL/do_p = sum over t of dL/da_p[t] a_p[t] / o_p + sum over i of dL/do_i gain_i / nu w_ip e_ip / o_p, where the first is of
    the layers behind alone. Then delta = dL/do gain / nu, dL/dI[t] = delta c[t] and dL/dw_ip = delta_i e_ip. The authors' code
    has in dL/dw_ip what comes from the layers behind alone.
    """
    counts = counted(states, neuron)
    slope = gain(counts, neuron) / neuron.threshold
    effects = torch.einsum("tbi,tbp->bip", counts.kept[1:], states.psc[:-1])
    through = slope[:, :, None] * weight * effects / counts.number[:, None, :]
    system = torch.eye(len(weight), dtype=weight.dtype, device=weight.device) - through.transpose(1, 2)
    delta = torch.linalg.solve_ex(system, errors_of_counts(states, grad, counts)).result * slope
    return delta * counts.kept, torch.einsum("bi,bip->ip", delta, effects)


def gain(counts: Counts, neuron: Neuron) -> Tensor:
    """do / d(a / nu) = 1 / (1 - b) of a neuron whose effects depend on its own count: b = (do/da) sum over j of w_ij de_ij/do_i.

    The authors fit de_ij/do_i to random trains. Here it is that of evenly spaced firings, each P = T / o after the one before:
    of all currents between two firings the share (1 - k^P) / (P (1 - k)) is found, k = 1 - 1 / tau_m, so that
    de_ij/do_i = e_ij / o_i (1 - x / (e^x - 1)), x = -P log k, and b = a / (nu o) (1 - x / (e^x - 1)). It is cut at 1/2: a count
    counts at most twice, as in HM2-BP.
    """
    fade = -log1p(-1.0 / neuron.tau_m) if neuron.tau_m > 1 else inf
    decays = (fade * len(counts.kept) / counts.number).clamp(max=80)
    return 1 / (1 - (counts.share * (1 - decays / decays.expm1())).clamp(max=0.5))
