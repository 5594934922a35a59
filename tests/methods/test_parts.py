"""What a loss means where a batch is made in parts: the parts' mean is the whole's.

In float64, with batch norm on running statistics, dropout off and the same policies drawn for every part.
"""

import pytest
import torch
from tests.compose import small
from tests.methods.around import METHODS, made

from runner.batch import Batch
from runner.seeds import seed_everything
from runner.tasks.depth import Depth

LOSSES = [("tsslbp", (f"method.loss={loss}",)) for loss in ("count", "softmax")]
CASES = [*((method, ()) for method in METHODS), *LOSSES]


def in_float64(batch: Batch) -> Batch:
    targets = {name: value.double() if value.is_floating_point() else value for name, value in batch.targets.items()}
    return batch._replace(inputs=batch.inputs.double(), targets=targets)


def loss(stage, batch):
    seed_everything(0, "the same policies")
    with torch.no_grad():
        return stage.objective(batch)


def sharing_counts(stage, halves):
    """The halves, each of which divides by the halves' mean counts, as processes do that tell each other theirs."""
    counts: list[list[torch.Tensor]] = []
    halves = [half._replace(parts=2) for half in halves]
    for half in halves:
        counts.append([])
        loss(stage, half._replace(whole=lambda count, own=counts[-1]: own.append(count) or count))
    means = [torch.stack(pair).double().mean() for pair in zip(*counts, strict=True)]
    for half in halves:
        own = iter(means)
        yield half._replace(whole=lambda count, own=own: next(own))


@pytest.mark.parametrize(("name", "overrides"), CASES)
def test_the_parts_of_a_batch_make_the_loss_of_the_whole(name, overrides):
    data, method = made(small(name, *overrides).method)
    method.double().eval()
    for stage in method.stages():
        if stage.objective is None:
            continue
        batch = in_float64(data.batch(stage.split, 0, stage.order))
        whole = loss(stage, batch)
        parts = torch.stack([loss(stage, half).loss for half in sharing_counts(stage, batch.halves())])
        torch.testing.assert_close(parts.mean(), whole.loss, rtol=1e-12, atol=1e-12)


def test_without_each_other_s_counts_the_mean_of_the_halves_is_another_number():
    """Three pixels with a label in one half and one in the other: (3 + 3 / 3) / 2 = 2 where the whole has (3 + 3) / 4 = 1.5."""
    target = torch.tensor([1.0, 1.0, 1.0, 0.0, 2.0, 0.0, 0.0, 0.0]).view(2, 1, 2, 2)  # metres, 0 is unknown
    prediction = torch.tensor([2.0, 2.0, 2.0, 0.0, 5.0, 0.0, 0.0, 0.0]).view(2, 1, 2, 2)
    depth = Depth()
    halves = [depth.loss(prediction[[n]], target[[n]]).item() for n in range(2)]
    assert (halves, depth.loss(prediction, target).item()) == ([1.0, 3.0], 1.5)
    shared = [depth.loss(prediction[[n]], target[[n]], lambda count: torch.tensor(2.0)).item() for n in range(2)]
    assert sum(shared) / 2 == 1.5


def test_halves_are_of_samples_wherever_these_lie():
    inputs, labels = torch.arange(2 * 5 * 3).view(2, 5, 3), torch.arange(5)
    first, second = Batch(inputs, {"class": labels}, axis=1).halves()
    assert torch.equal(first.inputs, inputs[:, :3])
    assert torch.equal(second.inputs, inputs[:, 3:])
    assert second.targets["class"].tolist() == [3, 4]
    assert second.axis == 1
