"""How alike the policies of tasks are, which says how related the tasks are (AdaShare's figure of task correlation)."""

import torch
from torch import Tensor


def relatedness(probability: Tensor) -> dict[str, list[list[float | None]]]:
    """Of every pair of tasks by their probabilities of executing (K, L): `cosine` and `correlation`, both K x K.

    cosine is a . b / |a||b|; correlation is that of a and b less their means over the blocks (Pearson), which leaves out how
    much each task executes in all. Nothing (null) of a policy that skips everything, or has one probability throughout.
    """
    values = probability.detach().double().cpu()
    centred = values - values.mean(1, keepdim=True)
    return {"cosine": _cosines(values), "correlation": _cosines(centred)}


def _cosines(rows: Tensor) -> list[list[float | None]]:
    """a . b / |a||b| of rows (K, L), null where a row is zero but for rounding."""
    lengths = rows.norm(dim=1)
    known = lengths > 1e-6 * rows.shape[1]
    units = torch.where(known[:, None], rows / lengths.clamp(min=torch.finfo(rows.dtype).tiny)[:, None], 0)
    found = (units @ units.T).clamp(-1, 1).tolist()
    return [
        [value if known[row] and known[column] else None for column, value in enumerate(values)]
        for row, values in enumerate(found)
    ]
