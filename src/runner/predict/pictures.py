"""Which pictures are meant, and what each of them is called in the output."""

import glob
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from runner.errors import ConfigurationError
from runner.rundir.storage import typed_path


def find(arguments: Iterable[str], output: Path) -> list[Path]:
    """The files that `arguments` name, each but once: files, folders with all that is below them, and patterns.

    Of folders those files whose ending Pillow knows, hidden ones and those in `output` left out. Raises `ConfigurationError`
    where an argument names nothing.
    """
    found: dict[Path, Path] = {}
    for argument in arguments:
        path = typed_path(argument)
        if path.is_dir():
            files = _inside(path, output.resolve())
        else:
            files = [path] if path.exists() else sorted(map(Path, glob.glob(str(path), recursive=True)))
            files = [file for file in files if not file.is_dir()]
        if not files:
            missing = "is a folder without pictures" if path.is_dir() else "is no file, no folder and matches nothing"
            raise ConfigurationError(
                f"{argument} {missing}; name pictures, folders that hold some, or a pattern such as '*.jpg'"
            )
        found |= {file.resolve(): file for file in files if file.resolve() not in found}
    return list(found.values())


def _inside(folder: Path, output: Path) -> list[Path]:
    Image.init()
    known = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in known
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.resolve().is_relative_to(output)
    ]


def names(paths: Sequence[Path], taken: Iterable[str] = ()) -> list[str]:
    """A name for each of some files: as short as tells them apart, and none of those that are `taken`.

    The file's name without its ending; with it where two of a folder differ in nothing else; before it as many of the folders
    around it as are needed. Names that a file system may take for the same are not told apart by upper and lower case.
    """
    places = [path.resolve() for path in paths]
    alike = Counter((place.parent, place.stem.casefold()) for place in places)
    last = [place.stem if alike[place.parent, place.stem.casefold()] == 1 else place.name for place in places]
    reserved, depth = {name.casefold() for name in taken}, [1] * len(places)
    while True:
        found = [
            "-".join((*place.parts[1:-1][len(place.parts) - 1 - deep :], name))
            for place, name, deep in zip(places, last, depth, strict=True)
        ]
        count = Counter(name.casefold() for name in found)
        again = [
            number
            for number, name in enumerate(found)
            if (count[name.casefold()] > 1 or name.casefold() in reserved)
            and depth[number] < len(places[number].parts) - 1
        ]
        if not again:
            return _numbered(found, reserved)
        for number in again:
            depth[number] += 1


def _numbered(names: Iterable[str], reserved: set[str]) -> list[str]:
    """Names that are still the same, told apart by numbers."""
    seen, found = set(reserved), []
    for name in names:
        candidates = (name, *(f"{name}-{number}" for number in range(2, len(seen) + 3)))
        found.append(next(each for each in candidates if each.casefold() not in seen))
        seen.add(found[-1].casefold())
    return found
