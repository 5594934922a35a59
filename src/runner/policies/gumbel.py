"""The mathematics of AdaShare's policy: relaxed sampling, temperature, curriculum.

Sun et al., "AdaShare: Learning What To Share For Efficient Deep Multi-Task Learning", NeurIPS 2020; files named
below are those of its code, github.com/sunxm2357/AdaShare.
"""

from collections.abc import Sequence
from typing import Literal, Unpack

import torch
from torch import Tensor

from runner.batch import Inputs
from runner.errors import chosen
from runner.policies.logits import LogitPolicy, LogitSettings
from runner.seeds import alike


class GumbelPolicy(LogitPolicy):
    """AdaShare's policy: two logits for every task and block, sampled through the Gumbel softmax.

    `sampling` gives the relaxed weights ("soft") or rounded ones with their gradient ("straight_through") at
    `temperature * temperature_decay^cycle`.
    """

    def __init__(
        self,
        *,
        sampling: Literal["soft", "straight_through"],
        temperature: float,
        temperature_decay: float,
        tasks: Sequence[str],
        blocks: int,
        **settings: Unpack[LogitSettings],
    ) -> None:
        super().__init__(settings, tasks, blocks)
        self._straight_through = chosen("method.policy.sampling", sampling, {"soft": False, "straight_through": True})
        self._temperature, self._temperature_decay = temperature, temperature_decay

    def sample(self, cycle: float, inputs: Inputs) -> Tensor:
        """Gumbel-softmax weights of executing, (K, L)."""
        with alike():
            noise = gumbel_noise(self.logits.shape, self.logits.device)
        at = temperature(self._temperature, self._temperature_decay, cycle)
        return relaxed_gates(self.logits, noise, at, straight_through=self._straight_through)


def gumbel_noise(shape: torch.Size, device: torch.device) -> Tensor:
    """-log(-log U), U uniform on (0, 1), from the global generator of the CPU, so that every device draws the same."""
    uniform = torch.rand(shape).clamp_min(torch.finfo(torch.float32).tiny)
    return -(-uniform.log()).log().to(device, non_blocking=True)


def relaxed_gates(logits: Tensor, noise: Tensor, temperature: float, *, straight_through: bool = False) -> Tensor:
    """Gumbel-softmax weight of executing, (K, L): softmax((logits + noise) / temperature)[..., 0].

    `straight_through` rounds to the arg max in the forward pass and keeps the relaxed gradient.
    """
    soft = ((logits + noise) / temperature).softmax(-1)[..., 0]
    if not straight_through:
        return soft
    hard = (logits + noise).argmax(-1).eq(0).to(soft.dtype)
    return hard + (soft - soft.detach())


def open_blocks(cycle: float, speed: int, blocks: int) -> int:
    """How many of the last blocks follow the policy after `cycle` completed cycles: min(L, floor(c / speed) + 1).

    `num_train_layers` in AdaShare's train.py, train.
    """
    return min(blocks, int(cycle // speed) + 1)


def temperature(start: float, decay: float, cycle: float) -> float:
    """start * decay^cycle, cooled once per cycle (AdaShare's envs/blockdrop_env.py, decay_temperature)."""
    return float(start * decay**cycle)
