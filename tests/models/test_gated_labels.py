"""Networks for labels whose blocks tasks may skip: paths, inputs and batch norms of their own."""

import pytest
import torch
from torch import nn

from runner.models.gated_labels import GatedResNet

TASKS = {"first": 3, "second": 5}
OPEN = torch.ones(2, 4)


def network(statistics="per_task", stem="small", **changed):
    torch.manual_seed(0)
    sizes = {"layers": [1, 1, 1, 1], "widths": [4, 4, 8, 8], "tasks": TASKS, "input_shape": (3, 32, 32)}
    return GatedResNet(**{**sizes, "stem": stem, "statistics": statistics, **changed})


def images(seed=0, count=4):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def trained(net, steps=3):
    """The network after passes that leave statistics of either task's own."""
    for step in range(steps):
        net({"first": images(step), "second": 3 * images(step + 9)})
    return net.eval()


@pytest.mark.parametrize("statistics", ["per_task", "shared", "own"])
def test_a_task_is_predicted_from_its_own_inputs_as_if_it_were_alone(statistics):
    net = trained(network(statistics))
    own = {"first": images(1), "second": images(2)}
    both = net(own)
    for task, x in own.items():
        alone = net({task: x})
        assert list(alone) == [task]
        torch.testing.assert_close(alone[task], both[task])
        torch.testing.assert_close(net(x)[task], both[task])
    assert net({}) == {}


@pytest.mark.parametrize("statistics", ["per_task", "shared", "own"])
def test_all_blocks_executed_is_the_network_without_gates(statistics):
    net = trained(network(statistics))
    for inputs in (images(), {"first": images(1), "second": images(2)}):
        plain, gated = net(inputs), net(inputs, OPEN)
        for task in TASKS:
            torch.testing.assert_close(gated[task], plain[task])


def test_a_skipped_block_leaves_its_shortcut():
    net = trained(network())
    gates = OPEN.clone()
    gates[1, 2] = 0
    x = images()
    skipped, executed = net(x, gates), net(x, OPEN)
    torch.testing.assert_close(skipped["first"], executed["first"])
    assert not torch.allclose(skipped["second"], executed["second"])
    torch.testing.assert_close(net(x, gates, closed=3)["second"], executed["second"])


def test_gates_get_a_gradient_from_each_tasks_inputs():
    gates = torch.full((2, 4), 0.5, requires_grad=True)
    predictions = network()({"first": images(1), "second": images(2)}, gates)
    predictions["first"].square().sum().backward()
    assert (gates.grad[0] != 0).all()
    assert not gates.grad[1].any()


def test_tasks_with_batch_norms_of_their_own_share_convolutions_alone():
    net = network("own")
    net({"first": images(1)})["first"].square().sum().backward()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    for norm in norms:
        assert norm.weight.shape[0] == 2
        assert norm.weight.grad[0].any()
        assert not norm.weight.grad[1].any()
        assert norm.running_mean[0].any()
        assert not norm.running_mean[1].any()
    assert net.stem[0].weight.grad.any()


def test_plain_weights_become_those_of_every_task():
    state = network("shared").state_dict()
    net = network("own")
    net.load_state_dict(state)
    for name, value in net.state_dict().items():
        assert torch.equal(value, state[name].expand_as(value))


def test_the_sizes_are_those_of_resnet_18_and_34():
    """21,284,672 of the backbone of 34 (AdaShare's models/util.py), 11,176,512 of 18, 512 x 345 + 345 of a head."""
    for layers, backbone in (([2, 2, 2, 2], 11_176_512), ([3, 4, 6, 3], 21_284_672)):
        with torch.device("meta"):
            net = GatedResNet(
                layers=layers,
                widths=[64, 128, 256, 512],
                stem="imagenet",
                statistics="shared",
                tasks={"real": 345},
                input_shape=(3, 224, 224),
            )
        assert sum(parameter.numel() for parameter in net.backbone_parameters()) == backbone
        assert sum(parameter.numel() for parameter in net.head_parameters()) == 512 * 345 + 345
