"""The mathematics of AdaShare's policy: relaxed sampling, sparsity, sharing, temperature, curriculum (AdaShare §2, §5, §6).

Logits have the shape (K tasks, L blocks, 2); column 0 is "execute", column 1 is "skip"; alpha = softmax(logits)[..., 0].
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def initial_logits(kind: str, tasks: int, blocks: int, skip_logit: float = -10.0) -> Tensor:
    """`equal`: all 0.5, so alpha = 0.5; `random`: N(0, 1e-6); `all_chosen`: execute 0, skip `skip_logit`. (K, L, 2)."""
    if kind == "equal":
        return torch.full((tasks, blocks, 2), 0.5)
    if kind == "random":
        return 1e-3 * torch.randn(tasks, blocks, 2)
    return torch.tensor([0.0, skip_logit]).expand(tasks, blocks, 2).clone()


def execute_probability(logits: Tensor) -> Tensor:
    """alpha, the probability of executing: (K, L, 2) -> (K, L)."""
    return logits.softmax(-1)[..., 0]


def gumbel_noise(shape: torch.Size, device: torch.device) -> Tensor:
    """-log(-log U), U uniform on (0, 1), from the global generator of the CPU, so that every device draws the same."""
    uniform = torch.rand(shape).clamp_min(torch.finfo(torch.float32).tiny)
    return -(-uniform.log()).log().to(device)


def relaxed_gates(logits: Tensor, noise: Tensor, temperature: float, *, straight_through: bool = False) -> Tensor:
    """Gumbel-softmax weight of executing, (K, L): softmax((logits + noise) / temperature)[..., 0].

    `straight_through` rounds to the arg max in the forward pass and keeps the relaxed gradient.
    """
    soft = ((logits + noise) / temperature).softmax(-1)[..., 0]
    if not straight_through:
        return soft
    hard = (logits + noise).argmax(-1).eq(0).to(soft.dtype)
    return hard + (soft - soft.detach())


def drawn_gates(logits: Tensor) -> Tensor:
    """A policy u ~ Bernoulli(alpha) as gates of 0 and 1, (K, L), from the global generator of the CPU."""
    alpha = execute_probability(logits)
    return (torch.rand(alpha.shape).to(alpha.device) < alpha).to(alpha.dtype)


def sparsity_official(logits: Tensor, open_blocks: int) -> Tensor:
    """sum_k mean over the last `open_blocks` blocks of -log(1 - alpha) (AdaShare §5.2)."""
    return -F.log_softmax(logits[:, -open_blocks:], -1)[..., 1].mean(1).sum()


def sparsity_paper(logits: Tensor, open_blocks: int) -> Tensor:
    """sum_k mean over the last `open_blocks` blocks of log alpha (AdaShare §5.1).

    The paper sums over blocks; the mean gives it the official form's gradient at alpha = 0.5.
    """
    return F.log_softmax(logits[:, -open_blocks:], -1)[..., 0].mean(1).sum()


def sparsity_depth_weighted(logits: Tensor, open_blocks: int) -> Tensor:
    """sum_k 2 mean over the open blocks of (l / L) (-log(1 - alpha)): the official ablation without sharing (§5.2)."""
    blocks = logits.shape[1]
    weights = torch.arange(1, blocks + 1, device=logits.device, dtype=logits.dtype) / blocks
    loss = -F.log_softmax(logits, -1)[..., 1] * weights
    return 2 * loss[:, -open_blocks:].mean(1).sum()


def sharing_official(logits: Tensor) -> Tensor:
    """sum over pairs i < j and all blocks l = 1..L of (l / L) |A_i[l, 0] - A_j[l, 0]| on raw logits (AdaShare §5.3)."""
    blocks = logits.shape[1]
    weights = torch.arange(1, blocks + 1, device=logits.device, dtype=logits.dtype) / blocks
    return _pairwise(logits[..., 0], weights)


def sharing_paper(alpha: Tensor) -> Tensor:
    """sum over pairs i < j and blocks l = 1..L of ((L - l) / L) |alpha_i - alpha_j|, heavier at the input (§5.3). (K, L)."""
    blocks = alpha.shape[1]
    weights = torch.arange(blocks - 1, -1, -1, device=alpha.device, dtype=alpha.dtype) / blocks
    return _pairwise(alpha, weights)


def _pairwise(values: Tensor, weights: Tensor) -> Tensor:
    first, second = torch.triu_indices(len(values), len(values), offset=1, device=values.device)
    return ((values[first] - values[second]).abs() * weights).sum()


def open_blocks(cycle: float, speed: int, blocks: int) -> int:
    """How many of the last blocks follow the policy after `cycle` completed cycles: min(L, floor(c / speed) + 1) (§6.4)."""
    return min(blocks, int(cycle // speed) + 1)


def temperature(start: float, decay: float, cycle: float) -> float:
    """start * decay^cycle, cooled once per cycle (AdaShare §2)."""
    return float(start * decay**cycle)
