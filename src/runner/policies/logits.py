"""Policies of two logits for every task and block, and what AdaShare asks of them: sparsity and sharing.

Sun et al., "AdaShare: Learning What To Share For Efficient Deep Multi-Task Learning", NeurIPS 2020; files named
below are those of its code, github.com/sunxm2357/AdaShare.

Logits have the shape (K tasks, L blocks, 2); column 0 is "execute", column 1 is "skip"; alpha = softmax(logits)[..., 0].
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from runner.batch import Inputs
from runner.errors import chosen
from runner.policies import LearnedPolicy, Regulariser

Initial = Literal["equal", "random", "all_chosen"]


class InstanceSettings(TypedDict):
    """What is asked of logits, wherever they come from."""

    sparsity: Literal["paper", "official", "depth_weighted"]
    sparsity_weight: float
    sharing: Literal["paper", "official"]
    sharing_weight: float
    learning_rate: float
    weight_decay: float


class LogitSettings(InstanceSettings):
    """What is asked of logits that are the parameters themselves."""

    initial: Initial
    skip_logit: float


class LogitPolicy(LearnedPolicy):
    """Two logits for every task and block.

    `initial`, `skip_logit` as in `initial_logits`; `sparsity` and `sharing` name the regularisers.
    The paper's pull at alpha = 0.5 as hard as the official code's, sharing as hard as that for two tasks, whatever the number
    of tasks: a published weight for K tasks times K - 1 is the same here (five tasks, 0.005: 0.02). Adam at `learning_rate`
    trains the logits; its `weight_decay` pulls them to 0, alpha to 0.5.
    """

    def __init__(self, settings: LogitSettings, tasks: Sequence[str], blocks: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(initial_logits(settings["initial"], len(tasks), blocks, settings["skip_logit"]))
        self._sparsity = chosen("method.policy.sparsity", settings["sparsity"], SPARSITY)
        self._sharing = chosen("method.policy.sharing", settings["sharing"], SHARING)
        self._settings = settings

    def probability(self) -> Tensor:
        """alpha, (K, L)."""
        return execute_probability(self.logits)

    def draw(self) -> Tensor:
        """u ~ Bernoulli(alpha), (K, L)."""
        return drawn_gates(self.logits)

    def regularisers(self, inputs: Inputs, open_blocks: int) -> Mapping[str, Regulariser]:
        """`sparsity` over the open blocks, `sharing` over all."""
        return {
            "sparsity": Regulariser(self._sparsity(self.logits, open_blocks), self._settings["sparsity_weight"]),
            "sharing": Regulariser(self._sharing(self.logits), self._settings["sharing_weight"]),
        }

    def optimizer(self) -> Optimizer:
        """Adam over the logits."""
        rate, decay = self._settings["learning_rate"], self._settings["weight_decay"]
        return Adam([self.logits], lr=rate, weight_decay=decay, fused=True)


def initial_logits(kind: Initial, tasks: int, blocks: int, skip_logit: float = -10.0) -> Tensor:
    """`equal`: all 0.5, so alpha = 0.5; `random`: N(0, 1e-6); `all_chosen`: execute 0, skip `skip_logit`. (K, L, 2)."""
    shape = (tasks, blocks, 2)
    draws: dict[str, Callable[[], Tensor]] = {
        "equal": lambda: torch.full(shape, 0.5),
        "random": lambda: 1e-3 * torch.randn(shape),
        "all_chosen": lambda: torch.tensor([0.0, skip_logit]).expand(shape).clone(),
    }
    return chosen("method.policy.initial", kind, draws)()


def execute_probability(logits: Tensor) -> Tensor:
    """alpha, the probability of executing: (K, L, 2) -> (K, L)."""
    return logits.softmax(-1)[..., 0]


def drawn_gates(logits: Tensor) -> Tensor:
    """A policy u ~ Bernoulli(alpha) as gates of 0 and 1, (K, L), from the global generator of the CPU."""
    alpha = execute_probability(logits)
    return (torch.rand(alpha.shape).to(alpha.device) < alpha).to(alpha.dtype)


def sparsity_official(logits: Tensor, open_blocks: int) -> Tensor:
    """sum_k mean over the last `open_blocks` blocks of -log(1 - alpha).

    AdaShare's envs/blockdrop_env.py, get_sparsity_loss2.
    """
    return -F.log_softmax(logits[:, -open_blocks:], -1)[..., 1].mean(1).sum()


def sparsity_paper(logits: Tensor, open_blocks: int) -> Tensor:
    """sum_k mean over the last `open_blocks` blocks of log alpha (AdaShare, Sun et al. 2020).

    The paper sums over blocks; the mean gives it the official form's gradient at alpha = 0.5.
    """
    return F.log_softmax(logits[:, -open_blocks:], -1)[..., 0].mean(1).sum()


def sparsity_depth_weighted(logits: Tensor, open_blocks: int) -> Tensor:
    """sum_k 2 mean over the open blocks of (l / L) (-log(1 - alpha)): the official ablation without sharing.

    AdaShare's envs/blockdrop_env.py, get_sparsity_loss2, with `diff_sparsity_weights` and without `is_sharing`.
    """
    blocks = logits.shape[1]
    weights = torch.arange(1, blocks + 1, device=logits.device, dtype=logits.dtype) / blocks
    loss = -F.log_softmax(logits, -1)[..., 1] * weights
    return 2 * loss[:, -open_blocks:].mean(1).sum()


def sharing_official(logits: Tensor) -> Tensor:
    """sum over pairs i < j and all blocks l = 1..L of (l / L) |A_i[l, 0] - A_j[l, 0]| on raw logits.

    AdaShare's envs/blockdrop_env.py, get_hamming_loss, with `diff_sparsity_weights`.
    """
    blocks = logits.shape[1]
    weights = torch.arange(1, blocks + 1, device=logits.device, dtype=logits.dtype) / blocks
    return _pairwise(logits[..., 0], weights)


def sharing_paper(alpha: Tensor) -> Tensor:
    """sum over pairs i < j and blocks l = 1..L of ((L - l) / L) |alpha_i - alpha_j|, heavier at the input.

    `alpha` is (K, L). AdaShare, Sun et al. 2020.
    """
    blocks = alpha.shape[1]
    weights = torch.arange(blocks - 1, -1, -1, device=alpha.device, dtype=alpha.dtype) / blocks
    return _pairwise(alpha, weights)


def _sharing_of_a_task(logits: Tensor) -> Tensor:
    """The paper's sharing, to weigh as in the official code and with two tasks: 2 (L + 1) / (L - 1) / (K - 1) `sharing_paper`.

    The layer weights of the official code sum to (L + 1) / 2, the paper's to (L - 1) / 2. Of a difference of alpha at 0.5 a
    step down the gradient moves the logit of executing by 1/4 and that of skipping by as much the other way, half of what one
    of a difference of logits moves. A task stands in K - 1 pairs: with their sum it would be pulled harder the more tasks there
    are, while its own loss stays.
    """
    tasks, blocks = logits.shape[:2]
    scale = 2 * (blocks + 1) / max(1, blocks - 1) / max(1, tasks - 1)
    return scale * sharing_paper(execute_probability(logits))


def _pairwise(values: Tensor, weights: Tensor) -> Tensor:
    first, second = torch.triu_indices(len(values), len(values), offset=1, device=values.device)
    return ((values[first] - values[second]).abs() * weights).sum()


SPARSITY: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "paper": sparsity_paper,
    "official": sparsity_official,
    "depth_weighted": sparsity_depth_weighted,
}
SHARING: Mapping[str, Callable[[Tensor], Tensor]] = {"paper": _sharing_of_a_task, "official": sharing_official}
