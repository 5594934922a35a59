"""Official AdaShare checkpoints, by the names of their state dictionary."""

import re

from torch import nn

from runner.errors import CheckpointError
from runner.interop.state import Source, load_state
from runner.models.deeplab import DeepLab

WIDTHS, HEAD_WIDTH = (64, 128, 256, 512), 1024


def adashare(path_or_state_dict: Source, num_classes: list[int], layers: list[int]) -> nn.Module:
    """The official supernet with its weights: `num_classes` outputs per task, `layers` blocks per stage.

    The model's `forward(images, gates)` takes gates (tasks, blocks), the weight of executing a block, and returns
    {"task1": prediction, ...} in task order. Policy logits in the file are left out. Raises `CheckpointError` where names or
    shapes do not fit.
    """
    state = load_state(path_or_state_dict, "mtl-net")
    bottleneck = any(".conv3." in name and name.startswith("backbone.blocks") for name in state)
    tasks = {f"task{number + 1}": classes for number, classes in enumerate(num_classes)}
    model = DeepLab(
        layers=layers,
        widths=WIDTHS,
        head_width=HEAD_WIDTH,
        bottleneck=bottleneck,
        dropout=0.5,
        statistics="shared",
        tasks=tasks,
        input_shape=(3, 0, 0),
    )
    renamed = {_rename(name, layers): tensor for name, tensor in state.items() if not name.endswith("logits")}
    dtypes = {tensor.dtype for tensor in renamed.values() if tensor.is_floating_point()}
    if len(dtypes) == 1:
        model.to(dtypes.pop())
    try:
        model.load_state_dict(renamed)
    except RuntimeError as error:
        raise CheckpointError(
            f"not an AdaShare checkpoint with classes {num_classes} and layers {layers}: {error}"
        ) from error
    return model


def _rename(name: str, layers: list[int]) -> str:
    """Our name of an official parameter or buffer."""
    head = re.fullmatch(r"task(\d+)_fc1_c(\d)\.conv(\d)\.(\w+)", name)
    if head:
        task, branch, conv, kind = head.groups()
        return f"heads.task{task}.branches.{branch}.{3 * (int(conv) - 1)}.{kind}"
    block = re.fullmatch(r"backbone\.blocks\.(\d+)\.(\d+)\.(conv|bn)(\d)\.(\w+)", name)
    if block:
        stage, number, kind, position, what = block.groups()
        offset = 3 * (int(position) - 1) + (kind == "bn")
        return f"blocks.{sum(layers[: int(stage)]) + int(number)}.body.{offset}.{what}"
    shortcut = re.fullmatch(r"backbone\.ds\.(\d+)\.(\d)\.(\w+)", name)
    if shortcut:
        stage, place, what = shortcut.groups()
        return f"blocks.{sum(layers[: int(stage)])}.shortcut.{place}.{what}"
    stem = re.fullmatch(r"backbone\.(conv1|bn1)\.(\w+)", name)
    if stem:
        return f"stem.{int(stem[1] == 'bn1')}.{stem[2]}"
    return name
