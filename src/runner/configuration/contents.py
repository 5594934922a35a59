"""Files that settings name and that count by what is in them: wherever one lies it is the same, changed it is another."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.errors import ConfigurationError

_INSIDE = ("model.safetensors", "checkpoints/best.pt")  # of an export's folder and of a run's, what one may have meant


def sums(root: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 of every file that a composed configuration names under the rule `file`: {"model.weights": ...}.

    Raises `ConfigurationError` where there is no such file.
    """
    return {key: sha256(key, path) for key, path in _files(root, "")}


def _files(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """The keys under a node, as one types them, that name a file."""
    for key, value in node.items():
        if isinstance(value, dict) and "_rules_" in value:
            yield from _files(value, f"{prefix}{key}.")
        elif value is not None and "file" in node["_rules_"].get(key, "").split(" | "):
            yield prefix + key, value


def sha256(key: str, value: str) -> str:
    """The SHA-256 of the file `value`, which the setting `key` names; `ConfigurationError` where there is none."""
    path = Path(value).expanduser()
    if path.is_dir():
        inside = next((path / name for name in _INSIDE if (path / name).is_file()), None)
        raise ConfigurationError(
            f"{key}={value} is a folder; name the file in it" + (f", {key}={inside}" if inside else "")
        )
    if not path.is_file():
        remedy = "fetch the file first and give its path" if "://" in value else "give the path of one"
        raise ConfigurationError(
            f"{key}={value} is no file; {remedy} (a run is known by its content: it is needed to go on, too)"
        )
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
