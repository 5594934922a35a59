import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from runner.models.deeplab import DeepLab

BLOCKS = 8
FIRST_OF_STAGE = (2, 4, 6)  # blocks whose shortcut is a convolution


def small(tasks=2, **changes):
    torch.manual_seed(0)
    settings = {"layers": [2, 2, 2, 2], "widths": [4, 6, 8, 10], "head_width": 7, "bottleneck": False, "dropout": 0.0}
    settings["statistics"] = "shared"
    channels = {f"task{number}": number + 2 for number in range(tasks)}
    model = DeepLab(**{**settings, **changes}, tasks=channels, input_shape=(3, 33, 33)).double()
    for name, parameter in model.named_parameters():
        if name.endswith("weight") and parameter.dim() == 4 and not name.startswith("heads"):
            nn.init.kaiming_normal_(parameter)  # the initial 0.01 lets signals vanish
    return model


def images():
    return torch.randn(2, 3, 33, 33, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def separately(model, x, gates):
    """One pass per task and block by block, as in AdaShare's code; a gate of exactly 0 takes the shortcut alone.

    models/deeplab_resnet.py, Deeplab_ResNet_Backbone.forward.
    """
    predictions = {}
    for (task, head), row in zip(model.heads.items(), gates, strict=True):
        features = model.stem(x)
        for block, gate in zip(model.blocks, row, strict=True):
            passed = block.shortcut(features)
            skip = gate.item() == 0 and not gate.requires_grad
            executed = passed if skip else F.relu(passed + block.body(features))
            features = gate * executed + (1 - gate) * passed
        predictions[task] = head(features)
    return predictions


def loss(predictions):
    return sum((prediction**2).mean() for prediction in predictions.values())


def count_bodies(model):
    counts = [0] * len(model.blocks)

    def count(number):
        def hook(*about):
            counts[number] += 1

        return hook

    for number, block in enumerate(model.blocks):
        block.body.register_forward_hook(count(number))
    return counts


def feature_of(model, number):
    """What block `number` hands to the next one, once for every group of tasks that has gone its own way."""
    seen = []
    follower = model.blocks[number + 1].shortcut if number + 1 < BLOCKS else model.heads["task0"].branches[0]
    follower.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    return seen


@pytest.mark.parametrize("training", [True, False])
def test_gates_of_one_are_the_plain_network_bit_for_bit(training):
    model = small().train(training)
    plain, gated = copy.deepcopy(model)(images()), model(images(), torch.ones(2, BLOCKS))
    assert all(torch.equal(plain[task], gated[task]) for task in plain)


@pytest.mark.parametrize("number", [1, 7])
def test_a_skipped_block_hands_on_its_input(number):
    model = small(tasks=1)
    before, after = feature_of(model, number - 1), feature_of(model, number)
    gates = torch.ones(1, BLOCKS)
    gates[0, number] = 0
    model(images(), gates)
    assert after[0] is before[0]


@pytest.mark.parametrize("number", FIRST_OF_STAGE)
def test_a_skipped_first_block_of_a_stage_hands_on_its_shortcut_unrectified(number):
    model = small(tasks=1)
    before, after = feature_of(model, number - 1), feature_of(model, number)
    gates = torch.ones(1, BLOCKS)
    gates[0, number] = 0
    model(images(), gates)
    assert torch.equal(after[0], copy.deepcopy(model.blocks[number].shortcut)(before[0]))
    assert (after[0] < 0).any()


def test_closed_blocks_ignore_their_gates():
    model = small()
    gates = torch.rand(2, BLOCKS, dtype=torch.float64, requires_grad=True)
    predictions = model(images(), gates, BLOCKS - 1)
    loss(predictions).backward()
    assert (gates.grad[:, :-1] == 0).all()
    assert (gates.grad[:, -1] != 0).all()
    others = torch.cat([torch.rand(2, BLOCKS - 1, dtype=torch.float64), gates.detach()[:, -1:]], 1)
    again = model(images(), others, BLOCKS - 1)
    assert all(torch.equal(predictions[task], again[task]) for task in predictions)


def test_closed_blocks_are_executed_even_if_their_gates_are_zero():
    model = small()
    counts = count_bodies(model)
    model(images(), torch.zeros(2, BLOCKS), 5)
    assert counts == [1] * 5 + [0] * 3


HARD = [  # tasks part, interleave, and skip the same block
    [[1, 1, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 1, 1]],
    [[1, 1, 1, 0, 1, 1, 1, 1], [1, 1, 0, 1, 1, 1, 0, 1], [1, 1, 1, 0, 0, 1, 1, 1]],
    [[0, 1, 1, 1, 1, 1, 1, 0], [0, 1, 0, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1, 1, 0]],
]
SOFT = torch.rand(3, BLOCKS, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).tolist()
MIXED = [[1, 1, 0, 0.3, 1, 0, 0.6, 1], [1, 1, 0, 1, 1, 1, 0.6, 0], [1, 1, 1, 0.3, 0, 0, 1, 1]]
POLICIES = pytest.mark.parametrize("gates", [*HARD, SOFT, MIXED], ids=["two", "three", "interleaved", "soft", "mixed"])


@POLICIES
@pytest.mark.parametrize("training", [True, False])
def test_predictions_are_those_of_separate_passes(gates, training):
    model = small(len(gates)).train(training)
    gates = torch.tensor(gates, dtype=torch.float64)
    expected, found = separately(copy.deepcopy(model), images(), gates), model(images(), gates)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@POLICIES
def test_batch_norm_statistics_are_those_of_separate_passes(gates):
    model = small(len(gates))
    other = copy.deepcopy(model)
    gates = torch.tensor(gates, dtype=torch.float64)
    for _ in range(2):
        separately(other, images(), gates)
        model(images(), gates)
    torch.testing.assert_close(dict(model.named_buffers()), dict(other.named_buffers()), rtol=1e-10, atol=1e-12)


@POLICIES
def test_gradients_are_those_of_separate_passes(gates):
    model = small(len(gates))
    other = copy.deepcopy(model)
    pair = [torch.tensor(gates, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    loss(separately(other, images(), pair[0])).backward()
    loss(model(images(), pair[1])).backward()
    torch.testing.assert_close(pair[1].grad, pair[0].grad, rtol=1e-9, atol=1e-12)
    for (name, parameter), expected in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=1e-9, atol=1e-12, msg=name)


def test_bottleneck_blocks_too():
    model = small(bottleneck=True, layers=[1, 1, 1, 1])
    gates = torch.tensor([[1, 0, 0.5, 1], [1, 0.5, 0, 1]], dtype=torch.float64)
    expected = separately(copy.deepcopy(model), images(), gates)
    torch.testing.assert_close(model(images(), gates), expected, rtol=1e-10, atol=1e-12)


def test_tasks_share_their_leading_blocks_and_skipped_bodies_are_never_computed():
    model = small(3)
    counts = count_bodies(model)
    model(images(), torch.tensor(HARD[1]))
    # block 2 parts {0, 2} from {1}; block 4 parts {0} from {2}, which skips it; after that three groups
    assert counts == [1, 1, 1, 1, 2, 3, 2, 3]


def test_soft_gates_share_up_to_and_into_the_first_open_block():
    model = small(3)
    counts = count_bodies(model)
    model(images(), torch.rand(3, BLOCKS), 5)
    assert counts == [1, 1, 1, 1, 1, 1, 3, 3]


def test_policy_steps_move_statistics_but_neither_weights_nor_a_graph_before_the_first_open_block():
    model = small().requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    last_closed, first_open = feature_of(model, 5), feature_of(model, 6)
    gates = torch.rand(2, BLOCKS, dtype=torch.float64, requires_grad=True)
    loss(model(images(), gates, 6)).backward()
    assert not last_closed[0].requires_grad
    assert all(feature.requires_grad for feature in first_open)
    assert all(parameter.grad is None for parameter in model.parameters())
    for name, value in model.state_dict().items():
        statistic = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert torch.equal(value, before[name]) != statistic, name


def test_weight_steps_leave_the_gates_alone():
    model, gates = small(), torch.rand(2, BLOCKS, dtype=torch.float64)
    loss(model(images(), gates)).backward()
    assert gates.grad is None
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(("layers", "expected"), [([2, 2, 2, 2], 11_176_512), ([3, 4, 6, 3], 21_284_672)])
def test_numbers_of_parameters(layers, expected):
    full = {"widths": [64, 128, 256, 512], "head_width": 1024, "bottleneck": False, "dropout": 0.5}
    with torch.device("meta"):
        model = DeepLab(
            layers=layers, **full, statistics="per_task", tasks={"segmentation": 40}, input_shape=(3, 321, 321)
        )
    assert sum(parameter.numel() for parameter in model.backbone_parameters()) == expected
    assert sum(parameter.numel() for parameter in model.head_parameters()) == 23_240_864


@pytest.mark.parametrize("synchronised", [False, True])
def test_the_scales_of_a_bottleneck_stay_fixed_whatever_its_batch_norms(synchronised):
    model = small(bottleneck=True, layers=[1, 1, 1, 1])
    if synchronised:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    scales = [p for name, p in model.blocks.named_parameters() if p.dim() == 1]
    assert len(scales) == 4 * 2 * (3 + 1)  # scale and shift of three norms in each body, one in each shortcut
    backbone = model.backbone_parameters()
    assert not {*scales} & {*backbone}
    assert len(backbone) == 3 + 4 * (3 + 1)  # the stem's, and the weights of as many convolutions
    nn.init.ones_(model.stem[1].bias)
    nn.init.ones_(scales[1])
    model.reset_parameters()
    assert not scales[1].any()
    assert not model.stem[1].bias.any()


@pytest.mark.parametrize(("size", "expected"), [(321, 41), (224, 29), (129, 17)])
def test_output_size(size, expected):
    model = small().to("meta")
    predictions = model(torch.empty(1, 3, size, size, dtype=torch.float64, device="meta"))
    assert [tuple(p.shape) for p in predictions.values()] == [(1, 2, expected, expected), (1, 3, expected, expected)]


def test_dropout_is_decided_by_the_seed_and_ends_with_training():
    model = small(dropout=0.5)
    drawn = []
    for seed in (0, 1, 0):
        torch.manual_seed(seed)
        drawn.append(model(images())["task0"])
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    model.eval()
    assert torch.equal(model(images())["task0"], model(images())["task0"])
