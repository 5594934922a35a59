"""The one place where a name in a configuration becomes an object."""

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from runner.configuration.plugins import require_admitted
from runner.errors import ConfigurationError


def construct(node: Mapping[str, Any], plugins: Collection[str] = (), **extra: Any) -> Any:
    """Build what `node["_target_"]` names from its other keys and `extra`.

    A choice inside it, a mapping with a `_target_` of its own, is handed on as `functools.partial` of what it names and its
    keys. Only classes of the runner, of `plugins` and of packages that are installed as plugins are imported, so that foreign
    configuration runs no foreign code; others raise `ConfigurationError`.
    """
    keys = {key: value for key, value in node.items() if key[0] != "_"}
    inside = {
        key: partial(
            locate(value["_target_"], plugins), **{name: each for name, each in value.items() if name[0] != "_"}
        )
        for key, value in keys.items()
        if isinstance(value, Mapping) and "_target_" in value
    }
    return locate(node["_target_"], plugins)(**{**keys, **inside, **extra})


def locate(target: str, plugins: Collection[str] = ()) -> Callable[..., Any]:
    """What a `_target_` names; of `plugins` and packages that are installed as such if it is not the runner's."""
    require_admitted(target, plugins)
    module, _, name = target.rpartition(".")
    try:
        factory: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"_target_={target} cannot be loaded: {error}") from error
    except Exception as error:  # whatever a package of the user's own raises; run.log has its traceback
        if target.startswith("runner."):
            raise
        raise ConfigurationError(f"_target_={target} cannot be loaded: {type(error).__name__}: {error}") from error
    return factory


def construct_method(node: Mapping[str, Any], setup: Any, plugins: Collection[str] = ()) -> Any:
    """The `Method` of a configuration's `method`, given its `Setup`; `batch_size` is the setup's."""
    return construct({key: value for key, value in node.items() if key != "batch_size"}, plugins, setup=setup)


def construct_model(
    node: Mapping[str, Any], tasks: Mapping[str, int], input_shape: Sequence[int], plugins: Collection[str] = ()
) -> nn.Module:
    """The network of a configuration's `model` for tasks (name -> channels) and inputs of a shape, channels last in memory.

    It is drawn afresh: `weights`, where its rule says that it is a file, is for who puts them into it.
    """
    given = {key for key, rule in node.get("_rules_", {}).items() if "file" in rule.split(" | ")} & {"weights"}
    own = {key: value for key, value in node.items() if key not in given}
    model: nn.Module = construct(own, plugins, tasks=tasks, input_shape=tuple(input_shape))
    _require_sizes(model)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]  # torch's stubs know no such call


def _require_sizes(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise ConfigurationError(
                f"layer '{name.rpartition('.')[0]}' has no size before the network has run; give it one, or let the network's "
                "constructor run it once on zeros of input_shape"
            )
