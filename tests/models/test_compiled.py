"""A compiled policy predicts as the executed network does, and runs no more than it must."""

import pytest
import torch

from runner.layers.kinds import BatchNorm
from runner.models.compiled import Part, compiled, never_executed, plan
from runner.models.composed import Executed
from runner.models.cost import macs
from runner.models.deeplab import DeepLab

TASKS = {"a": 3, "b": 2, "c": 1}
# blocks 2, 4 and 6 begin a stage, with a shortcut that is a convolution; nobody executes block 5
POLICY = [[1, 1, 1, 0, 1, 0, 1, 1], [1, 1, 0, 1, 1, 0, 1, 0], [1, 0, 1, 1, 0, 0, 1, 1]]


def images(count=2):
    return torch.randn(count, 3, 33, 33, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def trained(statistics="per_task", policy=POLICY, bottleneck=False):
    """A network whose statistics are those of paths under the policy, in float64."""
    torch.manual_seed(0)
    sizes = {"layers": [2, 2, 2, 2], "widths": [4, 4, 6, 6], "head_width": 4, "dropout": 0.5}
    network = DeepLab(
        **sizes, bottleneck=bottleneck, statistics=statistics, tasks=TASKS, input_shape=(3, 33, 33)
    ).double()
    gates = torch.tensor(policy, dtype=torch.float64)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, BatchNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
        for scale in (1.0, 2.0):
            network.train()(scale * images(8) + scale, gates)
    return network.eval(), gates


def assert_same(found, expected):
    """To rounding in float64."""
    assert list(found) == list(expected)
    for task, value in expected.items():
        torch.testing.assert_close(found[task], value, rtol=0, atol=1e-12 * float(value.abs().max()))


@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("statistics", ["per_task", "shared"])
def test_it_predicts_what_the_executed_network_does(statistics, bottleneck):
    network, gates = trained(statistics, bottleneck=bottleneck)
    short = compiled(network, gates)
    with torch.no_grad():
        assert_same(short(images()), Executed(network, gates)(images()))
    assert {type(module).__module__.partition(".")[0] for module in short.modules()} <= {"torch", "runner"}
    assert not any(isinstance(module, BatchNorm) for module in short.modules())
    assert {type(m).__name__ for m in short.modules() if type(m).__module__.startswith("runner")} == {
        "Compiled",
        "Head",
        "Heads",
    }


def test_every_task_has_its_path_alone_too():
    network, gates = trained()
    with torch.no_grad():
        whole = Executed(network, gates)(images())
        for number, task in enumerate(TASKS):
            assert_same(compiled(network, gates, [number])(images()), {task: whole[task]})


def test_tasks_part_where_their_gates_differ_and_share_until_then():
    network, gates = trained()
    made = plan(network, gates, range(3))
    assert made.stems == (0,)  # one for all
    assert made.bodies[:2] == (Part(0, 0), Part(1, 0))  # a and b still together where c skips block 1
    assert [len(groups) for groups in made.moves] == [1, 2, 3, 3, 3, 3, 3]  # block 5 is none of them
    assert [part for part in made.bodies if part.block == 2] == [Part(2, 0), Part(2, 2)]
    assert [part for part in made.shortcuts if part.block == 2] == [Part(2, 0), Part(2, 2)]  # a and b come in together
    assert made.groups == (0, 1, 2)


def test_tasks_part_where_their_statistics_alone_differ():
    network, gates = trained(policy=[[1] * 8] * 3)
    assert plan(network, gates, range(3)).groups == (0, 0, 0)
    with torch.no_grad():
        network.blocks[3].body[1].running_mean[1] += 1
        made = plan(network, gates, range(3))
        assert made.groups == (0, 1, 0)
        assert [len(groups) for groups in made.moves] == [1, 1, 1, 2, 2, 2, 2, 2]
        assert_same(compiled(network, gates)(images()), Executed(network, gates)(images()))
        network.stem[1].running_var[2] += 1
        assert plan(network, gates, range(3)).stems == (0, 2)
        assert_same(compiled(network, gates)(images()), Executed(network, gates)(images()))


def test_parts_of_shared_statistics_are_there_once():
    network, gates = trained("shared")
    made = plan(network, gates, range(3))
    assert [part.block for part in made.bodies] == [0, 1, 2, 3, 4, 6, 7]
    assert [part.block for part in made.shortcuts] == [2, 4, 6]


def test_what_it_multiplies_is_what_the_paths_need():
    network, gates = trained()
    example = images(1)
    found = macs(compiled(network, gates), example)
    # the tasks one by one, less what they share: the stem three times, block 0, and block 1 for a and b
    alone = sum(macs(compiled(network, gates, [task]), example) for task in range(3))
    stem, block = 17 * 17 * 4 * 3 * 49, 2 * 9 * 9 * 4 * 4 * 9  # 33 pixels -> 17 -> 9 behind the pool
    shortcut = 5 * 5 * 4 * 4  # of block 2, that a executes and b skips, from one activation
    assert alone - found == 2 * stem + 2 * block + block + shortcut
    # the executed network shares as well, but for that shortcut: it parts tasks before they take it
    assert macs(Executed(network, gates), example) - found == shortcut


def test_blocks_that_nobody_executes_are_not_needed():
    network, gates = trained()
    unused = never_executed(network, gates)
    assert {name.split(".")[1] for name in unused} == {"5"}
    state = network.state_dict()
    state.update({name: torch.zeros_like(value) for name, value in unused.items()})
    with torch.no_grad():
        before = compiled(network, gates)(images())
        network.load_state_dict(state)
        assert_same(compiled(network, gates)(images()), before)
