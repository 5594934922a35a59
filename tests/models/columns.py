"""Networks of columns for tests, and what they are held against: networks that know nothing of each other."""

import torch

from runner.models.deeplab import DeepLab
from runner.models.residual import Backbone

TASKS = {"first": 5, "second": 3, "third": 2}
SIZES = {"layers": [1, 2, 1, 1], "widths": [4, 4, 8, 6], "head_width": 4, "bottleneck": False, "dropout": 0.0}


def backbone(**changed):
    return Backbone(**{**SIZES, **changed})


def made(kind, tasks=TASKS, **settings):
    """A network of `kind` in float64, from seed 0, and images (2, 3, 32, 32) for it."""
    torch.manual_seed(0)
    network = kind(backbone=backbone, tasks=tasks, input_shape=(3, 32, 32), **settings).double()
    return network, torch.rand(2, 3, 32, 32, dtype=torch.float64)


def plain(stem, blocks, head, task):
    """A network for one task alone with these weights."""
    network = DeepLab(**SIZES, statistics="shared", tasks={task: TASKS[task]}, input_shape=(3, 32, 32)).double()
    network.stem.load_state_dict(stem.state_dict())
    for own, given in zip(network.blocks, blocks, strict=True):
        own.load_state_dict(given.state_dict())
    network.heads[task].load_state_dict(head.state_dict())
    return network


def independent(network):
    """For each task the network for it alone that a column and a head make."""
    return {
        task: plain(column.stem, [block for stage in column.stages for block in stage], network.heads[task], task)
        for task, column in zip(network.heads, network.columns, strict=True)
    }


def assert_independent(network, images, **tolerance):
    """In training and in evaluation, every task's prediction is that of its own network."""
    others = independent(network)
    for training in (True, False):
        network.train(training)
        predictions = network(images)
        for task, other in others.items():
            torch.testing.assert_close(predictions[task], other.train(training)(images)[task], **tolerance)


def relative_size(network):
    """Parameters without heads in units of one backbone's."""
    one = DeepLab(**SIZES, statistics="shared", tasks={"first": 5}, input_shape=(3, 32, 32))
    own = sum(weight.numel() for weight in network.backbone_parameters())
    return own / sum(weight.numel() for weight in one.backbone_parameters())


def weights_of_the_table(kind, layers, count, **settings):
    """Parameters relative to one backbone, of ResNet-18's or -34's sizes, without allocating any."""
    sizes = {"layers": layers, "widths": [64, 128, 256, 512], "head_width": 1}
    with torch.device("meta"):
        tasks = {str(number): 1 for number in range(count)}
        network = kind(backbone=lambda: backbone(**sizes), tasks=tasks, input_shape=(3, 224, 224), **settings)
        one = DeepLab(**{**SIZES, **sizes}, statistics="shared", tasks={"0": 1}, input_shape=(3, 224, 224))
    return sum(w.numel() for w in network.backbone_parameters()) / sum(w.numel() for w in one.backbone_parameters())
