"""In which settings two runs differ."""

from pathlib import Path

from runner.configuration.rules import show
from runner.errors import DataError
from runner.report.finished import UNREADABLE, Flat, recorded
from runner.rundir.folder import RunFolder

_NONE = "-"


def difference(one: Path, other: Path) -> list[str]:
    """A line for every setting that can change the result and is not the same in both, with its two values.

    The runs need not be finished. Raises `DataError` where a folder holds no run.
    """
    mine, yours = _settings(one), _settings(other)
    keys = [key for key in {**mine, **yours} if mine.get(key, _NONE) != yours.get(key, _NONE)]
    if not keys:
        return [f"{one} and {other} were asked for the same"]
    table = [("", one.name or str(one), other.name or str(other))]
    table += [(key, mine.get(key, _NONE), yours.get(key, _NONE)) for key in keys]
    widths = [max(len(line[column]) for line in table) for column in range(2)]
    return [f"{key:{widths[0]}}  {first:{widths[1]}}  {second}".rstrip() for key, first, second in table]


def _settings(path: Path) -> dict[str, str]:
    try:
        found: Flat = recorded(RunFolder(path))
    except UNREADABLE:
        raise DataError(
            f"{path} is no folder of a run: its config.yaml cannot be read; give the folders of two runs"
        ) from None
    return {key.replace("/", "."): show(value) for key, value in found.items()}
