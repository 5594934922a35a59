"""Nothing waits for the device: of no method does a step read a number on the host.

What would wait for a GPU is counted on the CPU, by the operations that bring a number to the host or whose shape is known only
there; `tolist` of a tensor is none of them on a CPU, and test_on_a_gpu.py sees that.
"""

import contextlib
from collections import Counter

import pytest
import torch
from tests.compose import small
from torch.utils._python_dispatch import TorchDispatchMode

from runner.configuration import files
from runner.run import assemble
from runner.training import steps
from runner.training.loop import train

CPU = torch.device("cpu")
READS = {"_local_scalar_dense", "nonzero", "masked_select", "unique_consecutive", "_unique2", "equal", "is_nonzero"}
STEPS = 3  # of a stage that are taken: an objective is given a batch and no number, so that the others are as these
METHODS = [name for name in files.options("method") if name[0] != "_"]


class Reads(TorchDispatchMode):
    """Counts what reads the device, boolean indices among it."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name = function.overloadpacket.__name__
        chosen = name in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in arguments[1]
        )
        if name in READS or chosen:
            self.found[name] += 1
        return function(*arguments, **(options or {}))


def test_what_waits_is_counted():
    values = torch.arange(3.0)
    with Reads() as reads:
        float(values.sum())
        values[values > 1]
        values[torch.tensor([0, 2])]
    assert reads.found == {"_local_scalar_dense": 1, "index": 1}


class Deaf:
    """An observer that is told everything and does nothing."""

    def on_stage_begin(self, stage): ...
    def on_position(self, position, settle): ...
    def on_step(self, stage, step, loss, norm, rate, scalars): ...
    def on_observed(self, stage, step): ...
    def evaluate(self, stage, step): ...


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_no_step_reads_the_device(method, monkeypatch, tmp_path):
    settings = small(method, f"cache_dir={tmp_path}")
    data, trained, _ = assemble(settings, CPU)
    counted, taken, last = Counter(), Counter(), {}
    original = steps.Steps._work

    def work(self, batch):
        name = self._stage.name
        taken[name] += 1
        if taken[name] <= STEPS:
            with Reads() as reads:
                last[name] = original(self, batch)
            if taken[name] > 1:  # in the first what stands still in a stage may be looked at
                counted.update(reads.found)
        return last[name]

    monkeypatch.setattr(steps.Steps, "_work", work)
    train(trained, data, Deaf(), seed=0, autocast=contextlib.nullcontext)
    assert max(taken.values()) >= STEPS
    assert not counted, counted
