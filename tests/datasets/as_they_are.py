"""Data sets as people have them: what the tests of them share."""

from pathlib import Path
from typing import Any


def photos(kind: type[Any], root: Path, **options: Any) -> Any:
    settings = {"size": 16, "stored": None, "tasks": ("class",), "cache": root.parent / "cache", "scale": 1.0}
    return kind(root=str(root), **settings, **options)


def sizes(data: Any) -> dict[str, int]:
    return {name: len(samples) for name, samples in data.splits.items()}


def moved(root: Path, *names: str) -> Path:
    """All that is in `root`, under further folders in it."""
    parts = list(root.iterdir())
    target = root.joinpath(*names)
    target.mkdir(parents=True)
    for path in parts:
        path.rename(target / path.name)
    return root
