"""The one place where a name in a configuration becomes an object; only the runner's own names are admitted."""

import importlib
from typing import Any

from runner.errors import ConfigurationError


def construct(node: dict[str, Any], **extra: Any) -> Any:
    """Build what `node["_target_"]` names from its other keys and `extra`, so that foreign configuration runs no foreign code."""
    target = str(node["_target_"])
    if not target.startswith("runner."):
        raise ConfigurationError(f"_target_={target} is not allowed; only names that begin with 'runner.' are")
    module, _, name = target.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"_target_={target} cannot be loaded: {error}") from error
    return factory(**{key: value for key, value in node.items() if key[0] != "_"}, **extra)
