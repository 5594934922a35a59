"""VDCNN: its size, its depth, what a head gets, and texts of each task's own."""

import pytest
import torch

from runner.models.vdcnn import VDCNN, Largest
from runner.preparation import TOKENS

TASKS = {"mood": 2, "news": 5}


def network(layers=(1, 1, 1, 1), widths=(4, 4, 8, 8), length=64, hidden=8, statistics="per_task", tasks=None):
    torch.manual_seed(0)
    return VDCNN(
        layers=layers, widths=widths, hidden=hidden, statistics=statistics, tasks=tasks or TASKS, input_shape=(length,)
    )


def texts(seed=0, count=3, length=64):
    return torch.randint(TOKENS, (count, length), generator=torch.Generator().manual_seed(seed))


def test_sizes_are_those_of_the_paper():
    """Of 9 layers; 8 values of 512 channels are the 4096 features of a head."""
    net = network((1, 1, 1, 1), (64, 128, 256, 512), 1014, 2048, tasks={"news": 4})
    head = net.heads["news"]
    assert [module.in_features for module in head if isinstance(module, torch.nn.Linear)] == [4096, 2048, 2048]
    bodies = sum(
        module.weight.numel()
        for module in net.blocks.modules()
        if isinstance(module, torch.nn.Conv1d) and module.kernel_size == (3,)
    )
    assert bodies == 3 * (2 * 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512)
    assert sum(len([m for m in block.body if isinstance(m, torch.nn.Conv1d)]) for block in net.blocks) + 1 == 9


@pytest.mark.parametrize("statistics", ["per_task", "shared", "own"])
def test_a_task_is_predicted_from_its_own_texts_as_if_it_were_alone(statistics):
    net = network(statistics=statistics).eval()
    own = {"mood": texts(1), "news": texts(2)}
    both = net(own)
    assert {task: tuple(logits.shape) for task, logits in both.items()} == {"mood": (3, 2), "news": (3, 5)}
    for task in TASKS:
        torch.testing.assert_close(net({task: own[task]})[task], both[task])


def test_gates_skip_blocks():
    net = network().eval()
    own, gates = {"mood": texts(1), "news": texts(2)}, torch.ones(2, 4)
    torch.testing.assert_close(net(own, gates), net(own))
    gates[1, 2] = 0
    skipped = net(own, gates)
    torch.testing.assert_close(skipped["mood"], net(own)["mood"])
    assert not torch.allclose(skipped["news"], net(own)["news"])


def test_the_largest_values_of_a_channel_keep_their_order():
    x = torch.tensor([[[3.0, 9.0, 1.0, 7.0, 8.0], [5.0, 4.0, 3.0, 2.0, 1.0]]])
    assert Largest(3)(x).tolist() == [[[9.0, 7.0, 8.0], [5.0, 4.0, 3.0]]]


def test_short_texts_are_taken_whole():
    """16 characters are halved three times to 2, fewer than the 8 values of a channel that a head gets otherwise."""
    assert network(length=16)(dict.fromkeys(TASKS, texts(length=16)))["news"].shape == (3, 5)


def test_every_weight_that_can_learn_gets_a_gradient():
    net = network()
    sum(logits.square().sum() for logits in net({"mood": texts(1), "news": texts(2)}).values()).backward()
    assert all(weight.grad is not None for weight in net.parameters())
