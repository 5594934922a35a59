"""Configuration files of one's own, as behind --config-dir."""

from pathlib import Path
from textwrap import dedent


def write(folder: Path, **files: str) -> Path:
    """The folder with these files: method__mine="..." is method/mine.yaml."""
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(content))
    return folder
