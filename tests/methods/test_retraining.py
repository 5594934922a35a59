"""A retrained policy is measured with the statistics of the paths that it takes."""

import pytest
import torch
from tests import tiny

from runner.methods.objectives import weighted_sum
from runner.models.deeplab import DeepLab

GATES = torch.tensor([[1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]])  # the tasks share no block
DATA = tiny.Pictures(labels=False)
BATCH = DATA.batch(torch.arange(16), torch.device("cpu"))


def network(statistics):
    torch.manual_seed(0)
    sizes = {"layers": [1, 1, 2, 2], "widths": [4, 8, 8, 8], "head_width": 8, "bottleneck": False, "dropout": 0.0}
    channels = {name: task.channels for name, task in DATA.tasks.items()}
    return DeepLab(**sizes, statistics=statistics, tasks=channels, input_shape=(3, 16, 16))


def loss(trained):
    return weighted_sum(DATA.tasks, {}, trained(BATCH.inputs, GATES), BATCH).loss


def retrained(statistics):
    """After 60 steps of two tasks with disjoint policies, and 60 at rate 0, in which the statistics catch up."""
    trained = network(statistics)
    optimizer = torch.optim.Adam(trained.parameters(), lr=0.003)
    for step in range(120):
        optimizer.param_groups[0]["lr"] = 0.003 if step < 60 else 0.0
        optimizer.zero_grad()
        loss(trained).backward()
        optimizer.step()
    return trained


def gap(statistics):
    """How far the loss with running statistics is from that with the batch's own, as a share of the latter."""
    trained = retrained(statistics)
    with torch.no_grad():
        running, own = loss(trained.eval()).item(), loss(trained.train()).item()
    return abs(running - own) / own


def test_running_statistics_of_each_task_measure_what_was_trained():
    assert gap("per_task") < 0.1


def test_statistics_shared_over_paths_that_differ_do_not():
    assert gap("shared") > 0.1


@pytest.mark.parametrize(
    ("make", "gates", "passes"),
    [
        (network, None, 1),  # nothing sets the tasks apart yet
        (network, torch.ones(2, 6), 1),
        (retrained, None, 2),  # each task with its own statistics
        (retrained, GATES, 1),  # the first block is the first task's alone
    ],
)
def test_in_evaluation_tasks_share_the_passes_that_are_the_same_for_them(make, gates, passes):
    trained, calls = make("per_task"), []
    trained.blocks[0].body.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        predictions = trained.eval()(BATCH.inputs, gates)
    assert len(calls) == passes
    assert set(predictions) == set(DATA.tasks)
