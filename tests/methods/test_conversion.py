"""ANN to SNN: what the calibration notes, and a spiking network that answers as the one it was."""

import pytest
import torch

from runner.methods.conversion import percentile


@pytest.mark.parametrize(("share", "expected"), [(100, 10.0), (99.9, 10.0), (90, 9.0), (50, 5.0), (1, 1.0)])
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(share, expected):
    """Of 1 to 10 in any order: 90 % do not exceed 9."""
    values = torch.arange(1.0, 11.0)[torch.randperm(10, generator=torch.Generator().manual_seed(0))].view(2, 5)
    assert percentile(values, share).item() == expected
