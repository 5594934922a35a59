import copy

import pytest
import torch
from torch import nn

from runner.models.deeplab import DeepLab
from runner.policies.block_cost import BlockCost, Cost, block_costs, network_costs, policy_cost


def network(layers, *, widths=(64, 128, 256, 512), bottleneck=False):
    return DeepLab(
        layers=layers,
        widths=widths,
        head_width=4,
        bottleneck=bottleneck,
        dropout=0.5,
        statistics="per_task",
        tasks={"segmentation": 2, "depth": 1},
        input_shape=(3, 224, 224),
    )


def gates(*rows):
    return torch.tensor([[float(decision) for decision in row.replace(" ", "")] for row in rows])


@pytest.fixture(scope="module")
def resnet34():
    return network_costs(network((3, 4, 6, 3)), torch.zeros(2, 3, 224, 224))


@pytest.fixture(scope="module")
def resnet18():
    return network_costs(network((2, 2, 2, 2)), torch.zeros(2, 3, 224, 224))


def test_resnet34_takes_the_macs_of_the_paper(resnet34):
    stem, costs = resnet34
    (whole,) = policy_cost(costs, stem, torch.ones(1, 16))
    assert whole == Cost(18_528_804_864, 21_284_672)
    assert stem == Cost(64 * 3 * 7 * 7 * 112 * 112, 64 * 3 * 7 * 7 + 2 * 64)


# The authors' policies (AdaShare's models/deeplab_resnet.py, main block) and their sums over tasks in units of 1e9. The
# paper quotes two of them: CityScapes' 33.35 and 50.13 of NYUv2's three tasks.
@pytest.mark.parametrize(
    ("backbone", "total", "policies"),
    [
        ("resnet18", 18.48, ("10111111", "11111011")),
        ("resnet34", 33.35, ("1111 1001 0111 0111", "1101 1111 1011 1111")),
        ("resnet34", 50.13, ("1111 1101 1111 1111", "1111 1111 1000 1111", "1111 1011 1100 1111")),
        (
            "resnet34",
            87.75,
            (
                "1111 1111 1111 1111",
                "1111 1011 1111 0111",
                "1111 0101 1111 1111",
                "1110 1111 1111 1111",
                "1111 1111 1001 0111",
            ),
        ),
    ],
)
def test_the_authors_policies_take_the_macs_of_the_paper(request, backbone, total, policies):
    stem, costs = request.getfixturevalue(backbone)
    used = policy_cost(costs, stem, gates(*policies))
    assert round(sum(cost.macs for cost in used) / 1e9, 2) == total
    together = policy_cost(costs, stem, gates(*policies).amax(0, keepdim=True))
    assert together == policy_cost(costs, stem, torch.ones(1, len(costs)))  # no block is left out by all tasks


@pytest.mark.parametrize("bottleneck", [False, True])
def test_parameters_are_those_of_the_backbone(bottleneck):
    model = network((1, 2, 1, 1), widths=(4, 6, 8, 10), bottleneck=bottleneck)
    stem, costs = network_costs(model, torch.zeros(1, 3, 32, 48))
    (whole,) = policy_cost(costs, stem, torch.ones(1, 5))
    assert whole.parameters == sum(p.numel() for part in (model.stem, model.blocks) for p in part.parameters())


def test_a_small_network_by_hand():
    # 32 pixels: 16 after the stem's convolution, 9 after its pool, which rounds up; stride 2 makes 5 of 9.
    costs = block_costs(network((1, 1, 1, 1), widths=(4, 6, 8, 10)), torch.zeros(7, 3, 32, 32))
    assert costs == [
        BlockCost(2 * 4 * 4 * 9 * 81, 0, 2 * 4 * 4 * 9 + 4 * 4, 0),
        BlockCost((4 + 6) * 6 * 9 * 25, 4 * 6 * 25, (4 + 6) * 6 * 9 + 4 * 6, 4 * 6 + 2 * 6),
        BlockCost((6 + 8) * 8 * 9 * 25, 6 * 8 * 25, (6 + 8) * 8 * 9 + 4 * 8, 6 * 8 + 2 * 8),
        BlockCost((8 + 10) * 10 * 9 * 25, 8 * 10 * 25, (8 + 10) * 10 * 9 + 4 * 10, 8 * 10 + 2 * 10),
    ]


def test_a_skipped_block_still_costs_its_shortcut_and_probabilities_give_expectations():
    costs = [BlockCost(100, 10, 50, 5), BlockCost(200, 0, 60, 0)]
    decisions = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [0.25, 0.5]])
    assert policy_cost(costs, Cost(1000, 7), decisions) == [
        Cost(1310, 122),
        Cost(1210, 72),
        Cost(1010, 12),
        Cost(1135, 54.5),
    ]


def test_the_network_is_left_as_it_was():
    model = network((1, 1, 1, 1), widths=(4, 4, 4, 4))
    model.stem.eval()
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    block_costs(model, torch.zeros(1, 3, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert all(isinstance(parameter, nn.Parameter) for parameter in model.parameters())
