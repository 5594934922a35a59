"""`--cfg job`: what a command would run, checked, as YAML."""

from collections.abc import Mapping
from typing import Any

import yaml

from runner.configuration.rules import show
from runner.configuration.settings import GROUPS, Settings
from runner.errors import ConfigurationError

_DERIVED = ("choices", "given", "neutral", "plugins", "sha256")


def text(settings: Settings, package: str | None) -> str:
    """The settings, or those of one part, `method.policy`, as YAML; a first line says which options they are of.

    Raises `ConfigurationError` where there is no such part.
    """
    shown: Any = {key: _public(value) for key, value in settings.recorded().items() if key not in _DERIVED}
    for part in package.split(".") if package and package != "_global_" else ():
        if not isinstance(shown, dict) or part not in shown:
            raise ConfigurationError(
                f"--package {package}: there is no such part; give {', '.join(GROUPS)} or a key of them"
            )
        shown = shown[part]
    chosen = " ".join(
        f"{group.replace('/', '.')}={name}" for group, name in sorted(settings.choices.items(), key=_place)
    )
    if not isinstance(shown, (dict, list)):
        return f"# {chosen}\n{show(shown)}\n"
    return f"# {chosen}\n" + yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)


def _place(choice: tuple[str, str]) -> tuple[int, str]:
    return GROUPS.index(choice[0].partition("/")[0]), choice[0]


def _public(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: _public(inner) for key, inner in value.items() if not str(key).startswith("_")}
