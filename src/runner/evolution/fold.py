"""Batch norms folded into the convolutions before them, for faster inference."""

from collections import Counter
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from runner.layers.kinds import BatchNorm, Convolution
from runner.layers.modes import arguments, evaluation


@torch.no_grad()
def fold_batch_norm(model: nn.Module, example: Any) -> nn.Module:
    """A copy of `model` for inference whose convolutions do the work of the batch norms that follow them.

    In evaluation mode a batch norm is y = (x - mean)·γ/√(var + eps) + β, which goes into the weight and bias of the
    convolution where nothing else reads that convolution's output; others stay. Which, is seen in one run on `example`, a
    tensor or a tuple of arguments. The copy is in evaluation mode and predicts the same up to rounding.
    """
    uses = _Uses()
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, Convolution):
            hooks.append(module.register_forward_hook(partial(uses.made, name)))
        elif isinstance(module, BatchNorm) and module.running_mean is not None and module.running_mean.dim() == 1:
            hooks.append(module.register_forward_pre_hook(partial(uses.normalized, name)))
    try:
        with evaluation(model), uses:
            predictions = model(*arguments(example))
    finally:
        for hook in hooks:
            hook.remove()
    uses.read(predictions)
    folded = deepcopy(model).eval()
    for norm, convolution in uses.pairs.items():
        if uses.reads[convolution] == uses.runs[convolution] == uses.runs[norm] == 1:
            layer, batch_norm = folded.get_submodule(convolution), folded.get_submodule(norm)
            assert isinstance(layer, Convolution)
            assert isinstance(batch_norm, BatchNorm)
            folded.set_submodule(convolution, fuse_conv_bn_eval(layer, batch_norm))
            folded.set_submodule(norm, nn.Identity())
    return folded


class _Uses(TorchDispatchMode):
    """Counts how often each convolution and batch norm runs and how many operations read a convolution's output."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs = WeakIdKeyDictionary()  # a convolution's output -> its name
        self.reads = Counter[str]()
        self.runs = Counter[str]()
        self.pairs: dict[str, str] = {}  # batch norm -> the convolution whose output it reads

    def made(self, name: str, module: nn.Module, args: Any, output: Tensor) -> None:
        """A convolution has run."""
        self.runs[name] += 1
        self.outputs[output] = name

    def normalized(self, name: str, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        """A batch norm begins to run."""
        self.runs[name] += 1
        if args[0] in self.outputs:
            self.pairs[name] = self.outputs[args[0]]

    def read(self, values: Any) -> None:
        """Something reads these values."""
        self.reads.update(self.outputs[leaf] for leaf in tree_leaves(values) if leaf in self.outputs)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.read((args, kwargs))
        return func(*args, **(kwargs or {}))
