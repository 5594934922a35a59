"""Drop-in layers as torch's own, which can be traced, compiled and exported to other formats."""

from copy import deepcopy
from typing import Any

from torch import nn

from runner.errors import ConfigurationError
from runner.layers.dilated import DilatedConv2d
from runner.layers.dropout import RectifiedDropout
from runner.layers.im2col import Conv2d
from runner.layers.task_norm import TaskNorm


def plain(module: nn.Module, task: int | None = None) -> nn.Module:
    """A copy of `module` for inference of torch's own layers, in evaluation mode; it predicts the same up to rounding.

    Batch norms with statistics of each task get those of `task`. Without it they have to be the same for all tasks:
    `ConfigurationError` where they are not.
    """
    copy = deepcopy(module).eval()
    for name, layer in list(copy.named_modules(remove_duplicate=False)):
        if name and not list(layer.children()):
            copy.set_submodule(name, _plain(layer, task))
    return _plain(copy, task)


def _plain(layer: nn.Module, task: int | None) -> nn.Module:
    match layer:
        case TaskNorm():
            return _batch_norm(layer, task)
        case DilatedConv2d() | Conv2d():
            return _convolution(layer)
        case RectifiedDropout():
            return nn.ReLU(inplace=True).eval()
    return layer


def _batch_norm(layer: TaskNorm, task: int | None) -> nn.BatchNorm2d:
    if task is None and not layer.has_one_path():
        raise ConfigurationError(
            "its tasks have batch-norm statistics of their own, and take passes of their own; the export without --onnx and "
            "--pt2 has all of it, and a model with the key statistics can be trained with model.statistics=shared"
        )
    norm = nn.BatchNorm2d(layer.num_features, eps=layer.eps, device="meta").eval()
    norm.weight, norm.bias, norm.num_batches_tracked = layer.weight, layer.bias, layer.num_batches_tracked
    norm.running_mean, norm.running_var = (values[task or 0].clone() for values in layer.statistics())
    return norm


def _convolution(layer: nn.Conv2d) -> nn.Conv2d:
    assert layer.padding_mode == "zeros"
    options: dict[str, Any] = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")}
    size: Any = layer.kernel_size
    convolution = nn.Conv2d(
        layer.in_channels, layer.out_channels, size, **options, bias=layer.bias is not None, device="meta"
    ).eval()
    convolution.weight, convolution.bias = layer.weight, layer.bias
    return convolution
