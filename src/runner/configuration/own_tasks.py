"""The file in which people say what the labels of their own pictures are: a few lines for each task, read before torch is.

    segmentation: {kind: labels, classes: [road, car, sky], ignore: 255}
    depth: {kind: depth, scale: 0.001}

A task is called as one likes; its labels lie in the folder of its name.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import yaml

from runner.configuration.yaml_text import plain
from runner.errors import DataError

Kind = Literal["labels", "normals", "depth", "inverse depth", "heat map"]
MOST_CLASSES = 255  # numbers of classes are kept in a byte, in which 255 is a pixel without one
_KEYS: Mapping[str, tuple[str, ...]] = {
    "labels": ("classes", "ignore"),
    "normals": (),
    "depth": ("scale",),
    "inverse depth": ("scale",),
    "heat map": ("scale",),
}
_EXAMPLE = "segmentation: {kind: labels, classes: [road, car, sky]}"


class OwnTask(NamedTuple):
    """What the labels of a task are."""

    kind: Kind
    classes: tuple[str, ...] = ()  # names, of labels
    ignore: int = 255  # the label of pixels without a class
    scale: float | None = (
        None  # what one unit of the stored numbers is; None: arrays as they are, pictures by share of white
    )


def read(path: Path) -> dict[str, OwnTask]:
    """The tasks of a file, by name. Raises `DataError` naming the file, the task, what was found and what was expected."""
    if not path.is_file():  # a FIFO would be waited for
        found = "is no file" if path.exists() else "is missing"
        raise DataError(f"{path} {found}; write a line for each folder of labels, such as {_EXAMPLE}")
    try:
        content = plain(path.read_bytes())
    except yaml.YAMLError as error:
        raise DataError(
            f"{path} is no YAML: {' '.join(str(error).split())}; expected lines such as {_EXAMPLE}"
        ) from None
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path} holds {type(content).__name__}; expected lines such as {_EXAMPLE}")
    return {str(name): _task(path, str(name), entry) for name, entry in content.items()}


def offer(dataset: dict[str, Any]) -> None:
    """Put the tasks of the user's file into `_offers_`, where the option says that there is one and there is.

    With `*/<file>` every folder that has that file is a task, of its name less _csv. Where there is none the option's own stay:
    its reader then says what is wrong with the folder.
    """
    name = dataset.get("_described_")
    if not name:
        return
    root, (kind, *_) = Path(dataset["root"]).expanduser(), dataset["_offers_"].values()
    if name.startswith("*/"):
        tasks = [_named(path.parent) for path in sorted(root.glob(name)) if not path.parent.name.startswith(".")]
    else:
        tasks = list(read(root / name)) if (root / name).is_file() else []
    if tasks:
        dataset["_offers_"] = dict.fromkeys(tasks, kind)


def _named(folder: Path) -> str:
    name = folder.name.removesuffix("_csv")
    if not re.fullmatch(r"\w[\w-]*", name):
        raise DataError(
            f"{folder}: expected a name of letters, digits and _, which the task is called by; rename the folder"
        )
    return name


def _task(path: Path, name: str, entry: object) -> OwnTask:
    where = f"{path}, {name}"
    if not re.fullmatch(r"\w[\w-]*", name) or name in ("images", "train", "test", "validation"):
        raise DataError(f"{where}: expected a name of letters, digits and _ that is the folder of the labels")
    kinds = ", ".join(get_args(Kind))
    if not isinstance(entry, dict) or entry.get("kind") not in get_args(Kind):
        raise DataError(f"{where}: found {entry!r}; expected a kind, one of {kinds}, as in {_EXAMPLE}")
    kind: Kind = entry["kind"]
    unknown = sorted(entry.keys() - {"kind", *_KEYS[kind]}, key=str)
    if unknown:
        allowed = ", ".join(("kind", *_KEYS[kind]))
        raise DataError(f"{where}: found the key {unknown[0]}; expected {allowed}, which are those of kind {kind}")
    if kind == "labels":
        return OwnTask(kind, _classes(where, entry.get("classes")), _ignore(where, entry.get("ignore", 255)))
    return OwnTask(kind, scale=_scale(where, entry.get("scale")))


def _classes(where: str, found: object) -> tuple[str, ...]:
    names = [f"class {number}" for number in range(found)] if type(found) is int else found
    if not isinstance(names, list) or not 2 <= len(names) <= MOST_CLASSES or len(set(map(str, names))) < len(names):
        raise DataError(
            f"{where}: found classes: {found!r}; expected their names in the order of their numbers from 0, or how many there "
            f"are, 2 to {MOST_CLASSES}"
        )
    return tuple(map(str, names))


def _ignore(where: str, found: object) -> int:
    if type(found) is not int:
        raise DataError(
            f"{where}: found ignore: {found!r}; expected the number of pixels without a class, such as 255 or -1"
        )
    return found


def _scale(where: str, found: object) -> float | None:
    if found is not None and (isinstance(found, bool) or not isinstance(found, int | float) or not found > 0):
        raise DataError(
            f"{where}: found scale: {found!r}; expected a number above 0, such as 0.001 for millimetres in metres"
        )
    return None if found is None else float(found)
