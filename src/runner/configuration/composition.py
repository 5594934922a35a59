"""What the command line composes, without running it: for --help, --cfg job, and what was chosen when something is wrong."""

from collections.abc import Callable, Iterable, Sequence

import hydra
import omegaconf
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from runner.configuration import files
from runner.configuration.overrides import spelled
from runner.configuration.paths import exactly

# Hydra 1.3 asks for it, later versions warn of it.
VERSION_BASE: dict[str, str] = {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}
_SEARCHPATH = "hydra.searchpath=["
_LATER = not omegaconf.__version__.startswith("2.3.")  # in which `register_resolver` is another function
_register: Callable[..., None] = OmegaConf.register_resolver if _LATER else OmegaConf.register_new_resolver


def resolve_run_name(name: Callable[..., str]) -> None:
    """From here on `name` is what conf/config.yaml calls `run_name`."""
    _register("run_name", name, replace=True)


def composed(overrides: Sequence[str]) -> DictConfig:
    """The configuration of one run, with Hydra's own part; `overrides` in Hydra's spelling. Raises what Hydra raises."""
    with initialize_config_dir(str(files.folder()), **VERSION_BASE):
        return compose("config", _searching(overrides), return_hydra_config=True)


def _searching(overrides: Sequence[str]) -> list[str]:
    """The overrides with the folders of others as search path, before those that are typed: Hydra reads one such list."""
    own = [exactly(f"file://{folder}") for folder in files.folders()[1:]]
    typed = [override for override in overrides if override.startswith(_SEARCHPATH)]
    own += [override.removeprefix(_SEARCHPATH).removesuffix("]") for override in typed[-1:]]
    return [f"{_SEARCHPATH}{','.join(own)}]", *(override for override in overrides if override not in typed)]


def choices(words: Iterable[str]) -> dict[str, str]:
    """The options that the arguments choose, `{"method": "ke", ...}`, or none where they cannot be composed."""
    groups = files.CHOSEN
    own = [word for word in words if word.partition("=")[0].lstrip("+") in groups]
    try:
        chosen = composed([spelled(word, multirun=False) for word in own]).hydra.runtime.choices
    except Exception:  # then what is wrong is told of that
        return {}
    return {
        group: name for group, name in chosen.items() if group.partition("/")[0] in files.GROUPS and name is not None
    }
