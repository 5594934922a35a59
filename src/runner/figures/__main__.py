"""The command `python -m runner.figures`: draws the figures of finished runs again, without training.

Needs each run's data where they were. What cannot be drawn is named, and the others are drawn. With --costs it measures instead
what the runs' networks cost, and draws that beside what they reach; that needs no data.
"""

import argparse
import logging
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from runner.compare.runs import DEPTH, everything, find
from runner.errors import ConfigurationError, exit_code, told
from runner.pulse import PULSE
from runner.rundir.storage import typed_path
from runner.screen import be_courteous


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(prog="python -m runner.figures", description=__doc__)
    made.add_argument(
        "runs", nargs="+", type=typed_path, help=f"finished runs, or folders with some in them, {DEPTH} folders deep"
    )
    made.add_argument(
        "--costs",
        type=typed_path,
        metavar="FILE.png",
        help="only measure the networks beside each other, and draw that",
    )
    made.add_argument("--plugins", nargs="*", default=(), help="packages beside the runner whose classes the runs used")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code, that of the first run that could not be drawn."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with PULSE.beating():
            return _costs(options) if options.costs else _again(options)
    except (ValueError, OSError) as error:
        return told(error)
    except KeyboardInterrupt:
        print("runner: stopped; figures are written whole, the same command draws all", file=sys.stderr)
        return 130


def _again(options: argparse.Namespace) -> int:
    found = everything(options.runs)
    codes = [_drawn(run.folder.path, options.plugins) for run in found.runs]
    print(found.in_words())
    return next(filter(None, codes), 0)


def _costs(options: argparse.Namespace) -> int:
    if options.costs.suffix.lower() != ".png":
        raise ConfigurationError(f"--costs {options.costs} is not allowed; use a name that ends in .png")
    from runner.compare import layout
    from runner.figures.costs import beside, draw  # imports torch

    found = find(options.runs)
    PULSE.doing("measuring what the networks cost")
    comparison = beside(found.runs, options.plugins)
    draw(comparison, options.costs)
    PULSE.shown()
    print(found.in_words())
    print("\n".join(layout.lines(comparison, layout.terminal())))
    print(f"written: {options.costs}")
    return 0


def _drawn(path: Path, plugins: Collection[str]) -> int:
    """Draw one run's figures and say which; returns its exit code."""
    from runner.figures.again import draw_again  # imports torch

    PULSE.doing(f"drawing {path}")
    try:
        names = draw_again(path, plugins)
    except (ValueError, OSError) as error:
        code = exit_code(error)
        if code is None:
            raise
        print(f"runner: {path}: {error}", file=sys.stderr)
        return code
    print(f"{path / 'figures'}: {', '.join(names)}")
    PULSE.shown()
    return 0


if __name__ == "__main__":
    be_courteous()
    sys.exit(main())
