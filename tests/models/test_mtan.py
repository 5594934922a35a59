"""MTAN: with masks of ones it is hard sharing; masks are each task's own; sizes beside those of AdaShare's tables."""

import pytest
import torch

from runner.models.deeplab import DeepLab
from runner.models.mtan import MTAN, Attention
from tests.models.columns import SIZES, TASKS, made, weights_of_the_table

RESNET18, RESNET34 = [2, 2, 2, 2], [3, 4, 6, 3]


class Ones(torch.nn.Module):
    def forward(self, seen):
        return torch.ones(len(seen), 1, 1, 1, dtype=seen.dtype)


def test_with_masks_of_ones_it_is_hard_sharing():
    network, images = made(MTAN)
    for modules in network.attention.values():
        for module in modules:
            module.mask = Ones()
    shared = DeepLab(**SIZES, statistics="shared", tasks=TASKS, input_shape=(3, 32, 32)).double()
    shared.stem.load_state_dict(network.stem.state_dict())
    for own, given in zip(shared.blocks, [block for stage in network.stages for block in stage], strict=True):
        own.load_state_dict(given.state_dict())
    shared.heads.load_state_dict(network.heads.state_dict())
    for training in (True, False):
        predictions, expected = network.train(training)(images), shared.train(training)(images)
        for task in TASKS:
            torch.testing.assert_close(predictions[task], expected[task], rtol=0, atol=0)


def test_a_mask_lies_between_zero_and_one_and_weighs_the_last_activations():
    torch.manual_seed(0)
    module = Attention(4, 4).double()
    first, last, before = (torch.rand(2, 4, 3, 3, dtype=torch.float64) + 0.1 for _ in range(3))
    share = module(first, last, before) / last
    assert 0 < share.min() < share.max() < 1
    torch.testing.assert_close(share, module.mask(torch.cat((first, before), 1)))


def test_a_task_learns_its_own_masks_alone_and_the_shared_network():
    network, images = made(MTAN)
    network(images)["second"].square().sum().backward()
    assert network.stem[0].weight.grad.any()
    for task, modules in network.attention.items():
        reached = [module.mask[0].weight.grad is not None for module in modules]
        assert reached == [task == "second"] * 4


def test_statistics_of_what_leads_onward_are_each_tasks_own():
    """Masked activations differ by task; in evaluation each reads the averages that its own passes left."""
    network, images = made(MTAN)
    network.train()(images)
    means = {task: norm.running_mean for task, norm in network.onward[0].norms.items()}
    assert not torch.equal(means["first"], means["second"])
    with torch.no_grad():
        expected = network.eval()(images)
        means["first"].add_(1.0)
        changed = network(images)
    assert not torch.equal(changed["first"], expected["first"])
    assert torch.equal(changed["second"], expected["second"])


@pytest.mark.parametrize(
    ("layers", "tasks", "expected"),
    [(RESNET18, 2, 1.23), (RESNET34, 2, 1.12), (RESNET34, 3, 1.15), (RESNET34, 5, 1.20)],
)
def test_its_size_beside_that_of_the_tables(layers, tasks, expected):
    """1.23 is AdaShare's table of NYUv2 with ResNet-18.

    Its 2.41, 3.11 and 4.51 with ResNet-34 (2, 3, 5 tasks) are 15 million parameters a task where ResNet-18 has 1.3: no one rule
    of the blocks, twice as many, gives both; the one that comes next to them is below.
    """
    assert round(weights_of_the_table(MTAN, layers, tasks), 2) == expected


def of_attention_at_every_block(layers):
    """Parameters of a task whose every block has attention with hidden layers of its width, and a convolution of its own.

    The attention sees the block's first convolution and what the block before sent on, in its number of channels; what is masked
    goes on through 3 x 3 weights. Beside them are two biases and three batch norms.
    """
    widths = [width for width, count in zip([64, 128, 256, 512], layers, strict=True) for _ in range(count)]
    before = [0, *widths[:-1]]
    return sum((c + b) * c + c * c + 9 * c * c + 2 * c + 3 * 2 * c for c, b in zip(widths, before, strict=True))


def test_attention_at_every_block_would_come_next_to_the_tables_with_resnet34_and_not_with_resnet18():
    """2.40, 3.11 and 4.51 of 2.41, 3.11 and 4.51; but 2.47 of 1.23, and 42.6 and 54.6 G of 44.31 and 58.43 multiplications.

    Which it was with ResNet-34 is not known, so the model is the one that the paper of MTAN and the first table agree on.
    """
    share = of_attention_at_every_block(RESNET34) / 21_284_672  # of a ResNet-34 without its classes
    assert [round(1 + tasks * share, 2) for tasks in (2, 3, 5)] == [2.4, 3.11, 4.51]
    assert round(1 + 2 * of_attention_at_every_block(RESNET18) / 11_176_512, 2) == 2.47
