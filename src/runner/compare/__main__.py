"""The command `python -m runner.compare`: finished runs beside each other, a row a configuration, means over its seeds."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from runner.compare import files, layout
from runner.compare.comparison import compared
from runner.compare.difference import difference
from runner.compare.runs import DEPTH, find
from runner.errors import ConfigurationError, told
from runner.screen import be_courteous


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(prog="python -m runner.compare", description=__doc__)
    made.add_argument("runs", nargs="*", type=Path, help=f"runs, or folders with runs in them, {DEPTH} folders deep")
    made.add_argument(
        "--by",
        type=_names,
        default=(),
        metavar="KEY,...",
        help="a row for each of their values, and not for those of all that differ",
    )
    made.add_argument(
        "--metric", type=_names, default=(), metavar="NAME,...", help="metrics, or tasks with all of theirs, to show"
    )
    made.add_argument(
        "--sort", metavar="COLUMN", help="best first: a metric, delta, parameters, macs, samples or seconds"
    )
    made.add_argument("--csv", type=Path, metavar="FILE", help="write every number, in full")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    made.add_argument("--latex", type=Path, metavar="FILE", help="write the table, for the package booktabs")
    made.add_argument("--figure", type=Path, metavar="FILE.png", help="draw the metrics over the training")
    made.add_argument(
        "--diff", nargs=2, type=Path, metavar=("A", "B"), help="only say in which settings two runs differ"
    )
    return made


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = parser().parse_args(arguments)
    try:
        _answer(options)
    except (ValueError, OSError) as error:
        return told(error)
    return 0


def _answer(options: argparse.Namespace) -> None:
    if options.diff:
        print("\n".join(difference(*options.diff)))
        return
    if not options.runs:
        raise ConfigurationError("name runs, or folders that hold some: python -m runner.compare outputs/")
    found = find(options.runs)
    comparison = compared(found.runs, options.by, options.metric, options.sort)
    print(found.in_words())
    print("\n".join(layout.lines(comparison, layout.terminal())))
    for path, text in (
        (options.csv, files.csv),
        (options.markdown, files.markdown),
        (options.latex, files.latex),
    ):
        if path:
            files.write(path, text(comparison))
            print(f"written: {path}")
    if options.figure:
        from runner.compare.figure import draw  # imports matplotlib

        for line in draw(comparison, options.figure):
            print(line)
        print(f"written: {options.figure}")


if __name__ == "__main__":
    be_courteous()
    sys.exit(main())
