"""Elastic networks: channels that a task has not are as if they were 0, are not computed, and cost nothing."""

import pytest
import torch
from torch.nn import functional as F

from runner.layers.task_norm import for_tasks
from runner.models.channel_cost import channel_costs
from runner.models.composed import Executed
from runner.models.cost import costs
from runner.models.deeplab import DeepLab
from runner.models.elastic import LEVELS, Elastic, middle_channels, narrowed
from runner.models.residual import Backbone
from runner.policies.block_cost import Cost
from tests.models.columns import SIZES, TASKS, made, weights_of_the_table

SHARES = torch.tensor([[1, 0.5, 0.25, 0, 1], [1, 0.5, 0.5, 1, 0.25], [0, 0.5, 0.25, 0.5, 0]], dtype=torch.float64)


def masked(block, x, share):
    """A body as the official code has it: all is computed, then channels behind the first batch norm are set to 0."""
    first, norm, _, second, last = block.body
    found = norm(first(x))
    kept = torch.arange(found.shape[1]) < middle_channels(block, share)
    return last(second(F.relu(found * kept[None, :, None, None])))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("share", LEVELS)
def test_a_narrowed_body_is_the_masked_one_and_has_its_gradients(share, training):
    network, _ = made(Elastic)
    network.train()(torch.rand(2, 3, 32, 32, dtype=torch.float64))  # running averages that are none of the beginning
    block = network.train(training).blocks[3]
    found = {}
    for name in ("narrowed", "masked"):
        block.zero_grad()
        x = torch.rand(2, 4, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        passed = block.shortcut(x)
        output = narrowed(block, x, passed, share) if name == "narrowed" else masked(block, x, share)
        (output * torch.linspace(-1, 1, output.numel(), dtype=torch.float64).view_as(output)).sum().backward()
        weights = {key: weight.grad for key, weight in block.body.named_parameters()}
        found[name] = output.detach(), x.grad, weights
    for one, other in zip(found["narrowed"][:2], found["masked"][:2], strict=True):
        torch.testing.assert_close(one if one is not None else torch.zeros_like(other), other, rtol=1e-10, atol=1e-14)
    for key, gradient in found["masked"][2].items():
        one = found["narrowed"][2][key]
        torch.testing.assert_close(
            one if one is not None else torch.zeros_like(gradient), gradient, rtol=1e-9, atol=1e-12
        )


def test_with_all_channels_it_is_hard_sharing():
    network, images = made(Elastic)
    shared = DeepLab(**SIZES, statistics="per_task", tasks=TASKS, input_shape=(3, 32, 32)).double()
    shared.load_state_dict(network.state_dict())
    for training in (True, False):
        expected = shared.train(training)(images)
        for gates, closed in ((None, 0), (torch.ones(3, 5), 0), (SHARES, 5)):
            again = made(Elastic)[0]
            again.load_state_dict(network.state_dict())
            predictions = again.train(training)(images, gates, closed)
            for task in TASKS:
                assert torch.equal(predictions[task], expected[task])
        network.load_state_dict(shared.state_dict())


def alone(network, images, task, row):
    """A pass of one task, whatever the others do."""
    with for_tasks(network, (task,)):
        x = network.stem(images)
        for block, share in zip(network.blocks, row.tolist(), strict=True):
            passed = block.shortcut(x)
            x = F.relu(passed + narrowed(block, x, passed, share))
    return list(network.heads.values())[task](x)


@pytest.mark.parametrize("training", [True, False])
def test_tasks_that_go_together_predict_what_each_does_alone(training):
    network, images = made(Elastic)
    network.train()(images, SHARES)
    network.train(training)
    expected = [alone(network, images, task, SHARES[task]) for task in range(3)]
    for found, own in zip(network(images, SHARES).values(), expected, strict=True):
        torch.testing.assert_close(found, own, rtol=1e-10, atol=1e-12)


def test_running_averages_are_of_what_a_task_has():
    """Of the last block's six middle channels the second task has ceil(1.5) = 2, the first all, the third none."""
    network, images = made(Elastic)
    before = network.blocks[4].body[1].running_mean.clone()
    network.train()(images, SHARES)
    moved = network.blocks[4].body[1].running_mean.ne(before).sum(1)
    assert moved.tolist() == [6, 2, 0]


def test_a_pass_of_resnet18_costs_what_its_channels_do():
    """All channels: 9.855 of the 19.71 G of two tasks in the paper. Without any, stem and the three shortcuts are left."""
    sizes = {"layers": [2, 2, 2, 2], "widths": [64, 128, 256, 512], "head_width": 4}
    with torch.device("meta"):
        network = made_of(sizes, 224)
    shares = torch.stack([torch.full((8,), level) for level in LEVELS])
    passes, together, whole = channel_costs(network, torch.zeros(2, 3, 224, 224), shares)
    assert whole == passes[0]
    assert round(2 * whole.macs / 1e9, 2) == 19.71
    assert whole.parameters == together == 11_176_512
    bodies = whole.macs - passes[3].macs
    assert [whole.macs - cost.macs for cost in passes] == [0, bodies // 2, 3 * bodies // 4, bodies]
    # without middle channels the last batch norms of bodies are left: two numbers a channel
    shortcuts = sum(a * b + 2 * b for a, b in ((64, 128), (128, 256), (256, 512)))
    stem, norms = 64 * 3 * 49 + 2 * 64, 2 * 2 * (64 + 128 + 256 + 512)
    assert passes[3].parameters == stem + shortcuts + norms


def made_of(sizes, side, tasks=("a", "b")):
    backbone = Backbone(**{**SIZES, **sizes})
    return Elastic(backbone=lambda: backbone, tasks=dict.fromkeys(tasks, 2), input_shape=(3, side, side))


def test_the_count_is_what_a_pass_is_seen_to_multiply():
    torch.manual_seed(0)
    network, example = made_of({}, 32, tasks=("a",)), torch.zeros(1, 3, 32, 32)
    row = torch.tensor([[1, 0.5, 0.25, 0, 0.5]])
    (cost,), together, _ = channel_costs(network, example, row)
    seen = costs(Executed(network.reduced(row), row), example, latency=False)
    assert isinstance(cost, Cost)
    assert seen["backbone_macs"] == cost.macs
    assert seen["backbone_parameters"] == together == cost.parameters


def test_together_tasks_have_the_most_channels_that_one_of_them_has():
    network = made_of({}, 32)
    passes, together, whole = channel_costs(
        network, torch.zeros(1, 3, 32, 32), torch.tensor([[1, 0, 1, 0, 1], [0, 1, 0.5, 1, 0.25]])
    )
    assert together == whole.parameters > max(cost.parameters for cost in passes)


@pytest.mark.parametrize("layers", [[2, 2, 2, 2], [3, 4, 6, 3]])
def test_its_size_beside_that_of_the_tables(layers):
    """1, where AdaShare's tables have 1.11 with ResNet-18 and 1.12 with ResNet-34, which is 1.2 and 2.6 million more.

    Our selector has four numbers for a task and block, and what the tables' has beside the network is not known.
    """
    assert weights_of_the_table(Elastic, layers, 2) == 1


def test_what_no_task_has_is_left_out():
    """Of 4, 4, 4, 8 and 6 middle channels of the blocks 4, 2, 1, 0 and 3, by hand.

    A block has 3 x 3 weights to and from them, two numbers a channel of both batch norms, and a shortcut's 1 x 1 weights, norm.
    """
    network, row = made_of({}, 32), torch.tensor([[1, 0.5, 0.25, 0, 0.25], [0.25, 0, 0.25, 0, 0.5]])
    stem = 3 * 4 * 49 + 8
    first, second = 9 * 4 * (4 + 4) + 2 * (4 + 4), 9 * 2 * (4 + 4) + 2 * (2 + 4) + 4 * 4 + 8
    third, fourth = 9 * 1 * (4 + 4) + 2 * (1 + 4), 2 * 8 + 4 * 8 + 16
    fifth = 9 * 3 * (8 + 6) + 2 * (3 + 6) + 8 * 6 + 12
    left = network.reduced(row)
    assert (
        sum(weight.numel() for weight in left.backbone_parameters()) == stem + first + second + third + fourth + fifth
    )
    assert stem + first + second + third + fourth + fifth == 1682
    assert channel_costs(network, torch.zeros(1, 3, 32, 32), row)[1] == 1682


@pytest.mark.parametrize("training", [True, False])
def test_without_it_every_task_is_predicted_as_before(training):
    network, images = made(Elastic)
    network.train()(images, SHARES)
    shares = SHARES.clone()
    shares[:, 2], shares[:, 3] = 0, torch.tensor([0.25, 0.5, 0])
    left, state = network.train(training).reduced(shares), {**network.state_dict()}
    for again in (left, left.reduced(shares)):
        for found, expected in zip(again(images, shares).values(), network(images, shares).values(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert [tuple(block.body[0].weight.shape[:2]) for block in left.blocks] == [(4, 4), (2, 4), (0, 4), (4, 4), (6, 8)]
    assert network.state_dict().keys() == state.keys() == left.state_dict().keys()
