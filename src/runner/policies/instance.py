"""Policies that decide for every image: the instance-specific one of AdaShare's supplement (Sun et al. 2020).

Its network is that of models/deeplab_resnet.py in github.com/sunxm2357/AdaShare: a small ResNet on the image.
"""

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from runner import exchange
from runner.batch import Inputs
from runner.errors import ConfigurationError, chosen
from runner.layers.modes import evaluation
from runner.policies import LearnedPolicy, Regulariser, gumbel
from runner.policies.logits import SHARING, SPARSITY, InstanceSettings, execute_probability


class InstancePolicy(LearnedPolicy):
    """Two logits for every image, task and block by a network of its own, sampled through the Gumbel softmax.

    A draw is a number U in [0, 1) for every task and block: an image's block is executed where U > 1 - alpha(image), so that each
    training has a fixed decision for every image and over draws each comes up with probability alpha. `mean` is the running mean
    of alpha over the images that the search has seen.
    """

    decided = settled = False
    mean: Tensor

    def __init__(
        self,
        *,
        temperature: float,
        temperature_decay: float,
        tasks: Sequence[str],
        blocks: int,
        **settings: Unpack[InstanceSettings],
    ) -> None:
        super().__init__()
        self.network = PolicyNetwork(len(tasks), blocks)
        self.register_buffer("mean", torch.full((len(tasks), blocks), 0.5))
        self._temperature, self._decay, self._settings = temperature, temperature_decay, settings
        self._sparsity = chosen("method.policy.sparsity", settings["sparsity"], SPARSITY)
        self._sharing = chosen("method.policy.sharing", settings["sharing"], SHARING)

    def standing(self) -> "LearnedPolicy":
        """A copy as it is now, on its device: it has to look at images."""
        return copy.deepcopy(self).requires_grad_(False)

    def probability(self) -> Tensor:
        """The running mean of alpha over images, (K, L)."""
        return self.mean

    def draw(self) -> Tensor:
        """U, (K, L)."""
        return torch.rand(self.mean.shape)

    def gates(self, drawn: Tensor, inputs: Inputs, *, training: bool) -> Tensor:
        """Decisions of 0 and 1 for every image, (N, K, L); the same image has the same, in training and in evaluation."""
        with evaluation(self.network), torch.no_grad():
            alpha = execute_probability(self.network(images(inputs)))
        return (drawn.to(alpha.device) > 1 - alpha).to(alpha.dtype)

    def sample(self, cycle: float, inputs: Inputs) -> Tensor:
        """Gumbel-softmax weights of executing for every image, (N, K, L)."""
        logits = self.network(images(inputs))
        with torch.no_grad():
            self.mean.lerp_(exchange.mean(execute_probability(logits).mean(0)), 0.1)
        noise = gumbel.gumbel_noise(logits.shape, logits.device)
        return gumbel.relaxed_gates(logits, noise, gumbel.temperature(self._temperature, self._decay, cycle))

    def regularisers(self, inputs: Inputs, open_blocks: int) -> Mapping[str, Regulariser]:
        """`sparsity` over the open blocks and `sharing` over all, both the mean over images."""
        logits, settings = self.network(images(inputs)), self._settings
        sparsity = torch.stack([self._sparsity(each, open_blocks) for each in logits]).mean()
        sharing = torch.stack([self._sharing(each) for each in logits]).mean()
        return {
            "sparsity": Regulariser(sparsity, settings["sparsity_weight"]),
            "sharing": Regulariser(sharing, settings["sharing_weight"]),
        }

    def optimizer(self) -> Optimizer:
        """Adam over the policy's network."""
        rate, decay = self._settings["learning_rate"], self._settings["weight_decay"]
        return Adam(self.network.parameters(), lr=rate, weight_decay=decay, fused=True)


class PolicyNetwork(nn.Module):
    """Images (N, 3, H, W) -> logits (N, K, L, 2), all 0 before it is trained."""

    def __init__(self, tasks: int, blocks: int) -> None:
        super().__init__()
        self.shape = (tasks, blocks, 2)
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        widths = (32, 64, 128, 256)
        self.blocks = nn.Sequential(*(_Residual(*pair) for pair in pairwise(widths)))
        self.logits = nn.Linear(widths[-1], tasks * blocks * 2)
        nn.init.zeros_(self.logits.weight)
        nn.init.zeros_(self.logits.bias)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, K, L, 2)."""
        found: Tensor = self.logits(self.blocks(self.stem(pictures)).mean((2, 3)))
        return found.unflatten(1, self.shape)


class _Residual(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride=2, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C', h, w) at half of the resolution, rounded up."""
        found: Tensor = (self.shortcut(x) + self.body(x)).relu()
        return found


def images(inputs: Inputs) -> Tensor:
    """Images (N, 3, H, W) that all tasks share, grey ones in three equal colours; raises `ConfigurationError` for others."""
    if not isinstance(inputs, Tensor) or inputs.dim() != 4 or inputs.shape[1] not in (1, 3):
        raise ConfigurationError(
            "method.policy=instance looks at images of one or three colours that all tasks share; take another policy or dataset"
        )
    return inputs.expand(-1, 3, -1, -1)
