"""How well features tell classes apart that no network was trained on: recall among neighbours, and clusters against classes.

The protocol of Song et al., "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016, section 5.
"""

from math import nan

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from runner.tasks import Meter

DEPTHS = (1, 2, 4, 8)  # neighbours among which one of the same class is looked for
RESTARTS, ROUNDS = 4, 100  # of k-means: from how many centres, and at most so many moves of each
_BLOCK = 1024  # samples whose neighbours are looked for at a time


def recalls(features: Tensor, classes: Tensor) -> list[float]:
    """Shares of samples with one of their class among the 1, 2, 4, 8 others of largest cosine; features (N, F), classes (N,)."""
    rows = F.normalize(features, dim=1)
    found = torch.zeros(len(DEPTHS), dtype=torch.float64)
    for block in torch.arange(len(rows), device=rows.device).split(_BLOCK):
        cosines = rows[block] @ rows.T
        cosines[torch.arange(len(block)), block] = -torch.inf
        nearest = cosines.topk(min(max(DEPTHS), len(rows) - 1), dim=1).indices
        same = classes[nearest] == classes[block, None]
        found += torch.stack([same[:, :depth].any(1).sum() for depth in DEPTHS]).double().cpu()
    return (found / len(rows)).tolist()


def normalised_information(first: Tensor, second: Tensor) -> float:
    """2 I(A; B) / (H(A) + H(B)) of two partitions (N,) int64 of the same samples; 1 where both are one part."""
    joint = torch.zeros(int(first.max()) + 1, int(second.max()) + 1, dtype=torch.float64, device=first.device)
    joint.index_put_((first, second), joint.new_ones(len(first)) / len(first), accumulate=True)
    apart = (_entropy(joint.sum(1)) + _entropy(joint.sum(0))).item()
    return 2 * (1 - _entropy(joint.flatten()).item() / apart) if apart else 1.0


def _entropy(shares: Tensor) -> Tensor:
    return -torch.special.xlogy(shares, shares).sum()


def clusters(rows: Tensor, count: int) -> Tensor:
    """k-means of `rows` (N, F) into `count` clusters, (N,) int64: the best of `RESTARTS` from centres drawn by a fixed seed."""
    draw, best, least = Generator().manual_seed(0), torch.zeros(len(rows), dtype=torch.int64), torch.inf
    for _ in range(RESTARTS):
        centres, own = _far_apart(rows, count, draw), torch.full((len(rows),), -1, device=rows.device)
        for _ in range(ROUNDS):
            distances, nearest = torch.cdist(rows, centres).min(1)
            if torch.equal(nearest, own):
                break
            own = nearest
            sums = torch.zeros_like(centres).index_add_(0, own, rows)
            sizes = torch.bincount(own, minlength=count)[:, None]
            centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
        spread = float(distances.square().sum())
        if spread < least:
            best, least = own, spread
    return best


def _far_apart(rows: Tensor, count: int, draw: Generator) -> Tensor:
    """First centres (count, F): each a row drawn in proportion to its squared distance from those before (Arthur 2007)."""
    chosen = [int(torch.randint(len(rows), (), generator=draw))]
    nearest = torch.full((len(rows),), torch.inf, dtype=torch.float64)
    while len(chosen) < count:
        nearest = torch.minimum(nearest, (rows - rows[chosen[-1]]).square().sum(1).double().cpu())
        weights = nearest if nearest.sum() > 0 else torch.ones_like(nearest)
        chosen.append(int(torch.multinomial(weights, 1, generator=draw)))
    return rows[chosen]


class RetrievalMeter(Meter):
    """`recall1`, `recall2`, `recall4`, `recall8` and `nmi`, in percent, of features scaled to length 1.

    `nmi` is the normalised information of the classes and as many clusters of k-means.
    """

    reads = "features"

    def __init__(self) -> None:
        self._features: list[Tensor] = []
        self._classes: list[Tensor] = []

    @torch.inference_mode()
    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Take in a batch: features (B, F), classes (B,)."""
        self._features.append(prediction.float())
        self._classes.append(target)

    @torch.inference_mode()
    def compute(self) -> dict[str, float]:
        """The metrics over everything taken in; nan of fewer than two samples."""
        names = [*(f"recall{depth}" for depth in DEPTHS), "nmi"]
        if sum(map(len, self._classes)) < 2:
            return dict.fromkeys(names, nan)
        features, classes = torch.cat(self._features), torch.cat(self._classes)
        numbers = classes.unique(return_inverse=True)[1]
        found = clusters(F.normalize(features, dim=1), int(numbers.max()) + 1)
        values = [*recalls(features, classes), normalised_information(numbers, found)]
        return {name: 100 * value for name, value in zip(names, values, strict=True)}
