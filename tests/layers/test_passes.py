import pytest
import torch
from torch import nn

from runner.layers.passes import as_passes, momenta


def test_one_group_of_three_passes():
    assert momenta([[0, 1, 2]], 0.1) == pytest.approx([1 - 0.9**3])


def test_every_pass_by_itself():
    assert momenta([[0], [1], [2]], 0.1) == pytest.approx([0.1] * 3)


def test_interleaved_groups_by_hand():
    # passes 0, 1, 2 leave 0.729 r + 0.081 a + 0.09 b + 0.1 a; a first, then b
    assert momenta([[0, 2], [1]], 0.1) == pytest.approx([0.181 / 0.91, 0.09])


def test_passes_that_did_not_take_place_count_for_nothing():
    assert momenta([[4], [1]], 0.1) == pytest.approx(momenta([[1], [0]], 0.1))


@pytest.mark.parametrize("groups", [[[0, 1, 2]], [[0, 2], [1]], [[1], [0, 2]], [[2], [1], [0]], [[0], [1, 2, 3]]])
@pytest.mark.parametrize(
    ("kind", "size"), [(nn.BatchNorm2d, (5, 5)), (nn.BatchNorm1d, ()), (nn.BatchNorm3d, (2, 3, 4))]
)
def test_statistics_are_those_of_separate_passes(kind, size, groups):
    torch.manual_seed(0)
    batches = [torch.randn(4, 3, *size, dtype=torch.float64) + number for number in range(len(groups))]
    separate, grouped = (nn.Sequential(kind(3).double()) for _ in range(2))
    for number in sorted(number for group in groups for number in group):
        separate(next(batch for batch, group in zip(batches, groups, strict=True) if number in group))
    for index, batch in enumerate(batches):
        with as_passes(grouped, groups, index):
            grouped(batch)
    for (name, expected), found in zip(separate.named_buffers(), grouped.buffers(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12, msg=name)
    assert grouped[0].momentum == separate[0].momentum


def test_evaluation_changes_nothing_and_errors_leave_the_momentum_alone():
    norm = nn.BatchNorm2d(3).eval()
    with as_passes(norm, [[0, 1]], 0):
        norm(torch.randn(2, 3, 4, 4))
    assert norm.num_batches_tracked == 0
    norm.train()
    with pytest.raises(RuntimeError, match="stop"), as_passes(norm, [[0, 1]], 0):
        raise RuntimeError("stop")
    assert norm.momentum == 0.1
