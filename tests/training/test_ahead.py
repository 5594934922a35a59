"""One batch is made ahead, in order, and what goes wrong with it is raised where it is due."""

import threading

import pytest
import torch

from runner.batch import Batch
from runner.training import ahead as module
from runner.training.ahead import ahead, pays

CPU = torch.device("cpu")


def made(number):
    return Batch(torch.tensor([number]), {})


def test_batches_come_in_order():
    found = [int(batch.inputs) for batch in ahead(made, range(3, 8), CPU)]
    assert found == [3, 4, 5, 6, 7]


def test_of_no_numbers_come_no_batches():
    assert list(ahead(made, range(0), CPU)) == []


def test_one_is_made_ahead_and_no_more():
    asked, second = [], threading.Event()

    def make(number):
        asked.append(number)
        if number == 1:
            second.set()
        return made(number)

    batches = ahead(make, range(5), CPU)
    next(batches)
    assert second.wait(10)
    assert asked == [0, 1]
    batches.close()
    assert asked == [0, 1]


def test_what_making_raises_is_raised_where_the_batch_is_due():
    def make(number):
        if number == 2:
            raise OSError("disk")
        return made(number)

    batches = ahead(make, range(4), CPU)
    assert [int(next(batches).inputs) for _ in range(2)] == [0, 1]
    with pytest.raises(OSError, match="disk"):
        next(batches)


@pytest.mark.parametrize(("device", "threads", "cores", "expected"), [
    ("cuda", 2, 2, True), ("cpu", 1, 2, True), ("cpu", 2, 2, False), ("cpu", 1, 1, False),
])  # fmt: skip
def test_pays_where_a_step_leaves_something_idle(device, threads, cores, expected, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda process: set(range(cores)))
    assert pays(torch.device(device)) is expected
