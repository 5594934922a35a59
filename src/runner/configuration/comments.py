"""What the configuration files say of their keys: the comment behind a value, or the lines right above it."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from runner.configuration.reading import base, find, load

_KEY = re.compile(r"([a-z]\w*):(?:\s.*?)?(?:\s#\s*(.*))?$")


def comments(folders: Sequence[Path], name: str) -> dict[str, str]:
    """The comment of every key of a file, `name` being like "model/resnet18"; of what it inherits where it has none."""
    path = find(folders, name)[0]
    found: dict[str, str] = {}
    for entry in load(path).get("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            found |= comments(folders, base(path, name.rpartition("/")[0], entry))
    return found | of_text(path.read_text())


def of_text(text: str) -> dict[str, str]:
    """The comments of the keys at the left margin of a YAML text: what stands behind a value, or else right above it.

    Keys that follow each other share the lines above the first of them, as long as nothing stands behind their values.
    """
    found: dict[str, str] = {}
    above: list[str] = []
    before = ""
    for line in text.splitlines():
        key = _KEY.match(line)
        if line.startswith("#"):
            above = above if before.startswith("#") else []
            above.append(line.lstrip("# ").rstrip())
        elif key and not key[2]:
            found |= {key[1]: " ".join(above)} if above else {}
        else:
            found |= {key[1]: key[2]} if key else {}
            above = []
        before = line
    return found


def heading(text: str) -> list[str]:
    """The lines of the comment at the head of a file, as a recipe has it; the first says what it is."""
    head = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    return [line.lstrip("# ").rstrip() for line in head if "@package" not in line]
