"""Whose classes a configuration may name: the runner's, and those of packages that the user has admitted."""

import re
from collections.abc import Collection, Iterable, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from runner.errors import ConfigurationError

_STATED = re.compile(r"^__version__\s*=\s*[\"']([^\"']+)", re.M)
ENTRY_POINTS = "runner.plugins"  # the group in which an installed package may register itself


def require_admitted(target: str, named: Collection[str], where: str = "") -> None:
    """Raise `ConfigurationError` where a class is neither the runner's nor of a package that was `named` or is registered."""
    package = target.partition(".")[0]
    if package == "runner" or package in named or package in registered():
        return
    raise ConfigurationError(
        f"{where}_target_={target} is not allowed; only 'runner.*' is, and what is in packages that you name, "
        f"plugins=[{package}]"
    )


def registered() -> set[str]:
    """The packages that are installed as plugins."""
    return {entry.module.partition(".")[0] for entry in metadata.entry_points(group=ENTRY_POINTS)}


def require_found(named: Iterable[str]) -> None:
    """Raise `ConfigurationError` where a package that the user names is no top-level package that can be imported."""
    for name in named:
        if not name.isidentifier():
            package = name.partition(".")[0]
            raise ConfigurationError(f"plugins=[{name}] is not allowed; name the package alone, plugins=[{package}]")
        if find_spec(name) is None:
            raise ConfigurationError(
                f"plugins=[{name}]: there is no such package; install it, or start `python -m runner` in the folder beside it"
            )


def used(nodes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The packages beside the runner whose classes the nodes name, with their versions."""
    packages = {target.partition(".")[0] for node in nodes for target in _targets(node)} - {"runner"}
    return {package: _version(package) for package in sorted(packages)}


def _targets(node: Mapping[str, Any]) -> list[str]:
    inner = [target for value in node.values() if isinstance(value, dict) for target in _targets(value)]
    return inner + ([str(node["_target_"])] if "_target_" in node else [])


def _version(package: str) -> str:
    """Of the installed distribution, or as the package states it, read without importing it."""
    distributions = metadata.packages_distributions().get(package)
    if distributions:
        return metadata.version(distributions[0])
    spec = find_spec(package)
    source = Path(spec.origin) if spec and spec.origin else None
    stated = _STATED.search(source.read_text()) if source and source.suffix == ".py" else None
    return stated[1] if stated else "unknown"
