"""Fetching a data set, or taking it from where it lies, and filling its array cache, so that a run begins at once."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.data.catalogue import PUBLISHED, File, Published
from runner.data.fetching import fetch
from runner.data.reading import opened, settings
from runner.data.unpacking import unpack
from runner.datasets.packings import ARCHIVES
from runner.datasets.sources import cache_beside
from runner.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from runner.datasets import Dataset

_READ_PACKED = ("cifar10", "cifar100")
_log = logging.getLogger(__name__)


def prepare(
    name: str, source: str | None, root: Path | None, typed: Sequence[str], cache: Path | None = None
) -> tuple[dict[str, Any], "Dataset"]:
    """The checked settings and the data set, ready to be trained on; see the command's help for `source` and `root`."""
    node = settings(name, typed, root)
    if "root" not in node:
        if source is not None or root is not None:
            raise ConfigurationError(f"dataset={name} is made, not read; leave out --source and --root")
        return node, opened(node, cache or cache_beside(None))
    is_address = source is not None and source.startswith(("http://", "https://"))
    if source is not None and not is_address:
        node["root"] = str(
            _taken(Path(source).expanduser(), None if root is None else Path(node["root"])) or node["root"]
        )
    target = Path(node["root"]).expanduser()
    if target.is_dir():
        try:
            return node, opened(node, cache or cache_beside(str(target)))
        except DataError as missing:
            if not _can_fetch(name, source if is_address else None):
                raise DataError(f"{missing}\n{by_hand(name, target)}") from None
            _log.info("%s is not whole: %s", target, missing)
    elif not _can_fetch(name, source if is_address else None):
        raise DataError(f"{target} does not exist\n{by_hand(name, target)}")
    _fetch_all(name, source if is_address else None, target)
    return node, opened(node, cache or cache_beside(str(target)))


def by_hand(name: str, target: Path) -> str:
    """What to download where, in three lines at most."""
    published = PUBLISHED.get(name)
    if published is None:
        return f"dataset={name} is published nowhere that is known here; put it into {target} (`info {name}` shows its layout)"
    lines = published.by_hand or tuple(f"{published.places[0]}{file.name}" for file in published.files[:2])
    return "\n".join([f"download by hand, under its terms ({published.licence}), and put into {target}:", *lines])


def _can_fetch(name: str, address: str | None) -> bool:
    return address is not None or (name in PUBLISHED and bool(PUBLISHED[name].places))


def _fetch_all(name: str, address: str | None, target: Path) -> None:
    published = PUBLISHED.get(name, Published({}, {}, "unknown"))
    files, places = published.files, published.places
    if address is not None:
        places = (address, *places)
        own = address.rpartition("/")[2]
        if own.lower().endswith(ARCHIVES) and own not in {file.name for file in files}:
            files, places = (File(own),), (address,)
    if not files:
        raise DataError(
            f"{address} names no archive ({', '.join(ARCHIVES)}), and dataset={name} has no files that are known by name"
        )
    _log.info("licence of %s: %s", name, published.licence)
    for file in files:
        path = fetch(file, places, target)
        if file.md5 is None:
            _log.warning("%s: no sum is published, so it cannot be said whether it is the right file", path)
        if file.name.endswith(ARCHIVES) and name not in _READ_PACKED:
            unpack(path, target)


def _taken(source: Path, target: Path | None) -> Path | None:
    """The folder to read, of a folder or an archive that lies on this machine: as it is, or copied or unpacked into `target`."""
    if source.is_dir():
        if target is not None:
            shutil.copytree(source, target, dirs_exist_ok=True)
        place = target or source
        for path in sorted(place.iterdir()) if target is not None else ():
            if path.is_file() and path.name.lower().endswith(ARCHIVES):
                unpack(path, place)
        return place
    if not source.is_file():
        raise DataError(
            f"--source {source} does not exist; expected a folder, an archive, or an address (http://, https://)"
        )
    if not source.name.lower().endswith(ARCHIVES):
        raise DataError(f"--source {source} is no archive ({', '.join(ARCHIVES)}); give the folder it lies in")
    place = target or source.with_name(source.name.partition(".")[0])
    unpack(source, place)
    return place
