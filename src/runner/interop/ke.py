"""Official Knowledge Evolution checkpoints, by the names of their state dictionary."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from runner.errors import CheckpointError, ConfigurationError
from runner.interop.state import Source, load_state
from runner.models.densenet import DenseNet
from runner.models.googlenet import GoogLeNet
from runner.models.resnet import ResNet

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    **{f"resnet{depth}": partial(ResNet, depth=depth) for depth in (18, 34, 50, 101)},
    **{f"densenet{depth}": partial(DenseNet, depth=depth) for depth in (121, 169)},
    "googlenet": GoogLeNet,
}


def ke(path_or_state_dict: Source, arch: str, num_classes: int) -> nn.Module:
    """The official network `arch` with its weights: images (B, 3, H, W) -> logits (B, `num_classes`).

    `arch` is one of resnet18, resnet34, resnet50, resnet101, densenet121, densenet169, googlenet, with or without the
    official prefix "Split_". The masks in the file do not take part in predictions and are left out; see `ke_masks`.
    Raises ConfigurationError for another `arch`, CheckpointError where names or shapes do not fit.
    """
    name = arch.lower().removeprefix("split_")
    if name not in ARCHITECTURES:
        raise ConfigurationError(f"arch: {arch!r} is not an official network; choose {', '.join(ARCHITECTURES)}")
    state = load_state(path_or_state_dict, "state_dict")
    weights = {key: value for key, value in state.items() if not key.endswith("mask")}
    model = ARCHITECTURES[name](stem="imagenet", tasks=num_classes, input_shape=(3, 224, 224))
    dtypes = {value.dtype for value in weights.values() if value.is_floating_point()}
    if len(dtypes) == 1:
        model.to(dtypes.pop())
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"not an official checkpoint of {name} with {num_classes} classes: {error}") from error
    return model


def ke_masks(path_or_state_dict: Source) -> dict[str, Tensor]:
    """The masks in an official checkpoint by the names of the parameters of `ke`'s network; empty where it has none."""
    state = load_state(path_or_state_dict, "state_dict")
    masks = {key.removesuffix("mask") + "weight": value.bool() for key, value in state.items() if key.endswith(".mask")}
    for key, mask in masks.items():
        if key not in state or state[key].shape != mask.shape:
            raise CheckpointError(f"the mask of '{key}' has shape {tuple(mask.shape)}, which no weight in the file has")
    return masks
