"""The command `python -m runner.export RUN`: writes a network of a finished run for use elsewhere."""

import argparse
import sys
from collections.abc import Sequence
from typing import get_args

from rich.console import Console
from rich.table import Table

from runner.errors import told
from runner.export.formats import Format
from runner.export.run import Run
from runner.export.write import Written, export
from runner.report.words import short
from runner.rundir.storage import typed_path
from runner.screen import be_courteous


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(prog="python -m runner.export", description=__doc__)
    made.add_argument("run", type=typed_path, help="folder of a finished run")
    made.add_argument("--predictor", help="which of the run's networks; by default its main one")
    made.add_argument("--output", type=typed_path, help="folder to write or replace; by default RUN/export/PREDICTOR")
    made.add_argument("--list", action="store_true", help="only say which networks the run has")
    formats = {"onnx": "write model.onnx beside it", "pt2": "write model.pt2 beside it, a program of torch.export's"}
    made.add_argument(
        "--format",
        action="append",
        default=[],
        choices=get_args(Format),
        help="write model.FORMAT beside it; nir is for spiking networks. May be given several times",
    )
    for name, told_of in formats.items():
        made.add_argument(f"--{name}", action="append_const", dest="format", const=name, help=told_of)
    made.add_argument("--plugins", nargs="*", default=(), help="packages beside the runner whose classes the run used")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = parser().parse_args(arguments)
    try:
        if options.list:
            run = Run(options.run, options.plugins)
            for name in run.networks:
                print(f"{name} (main, exported by default)" if name == run.main else name)
        else:
            formats = list(dict.fromkeys(options.format))
            _show(export(options.run, options.predictor, options.output, options.plugins, formats))
    except (ValueError, OSError) as error:
        return told(error)
    return 0


def _show(written: Written) -> None:
    console = Console()
    files = ", ".join(sorted(path.name for path in written.folder.iterdir()))
    console.print(f"{written.predictor}: {written.folder} ({files})", highlight=False, soft_wrap=True)
    if written.others:
        others = ", ".join(written.others)
        console.print(f"other networks of this run, by --predictor: {others}", highlight=False, soft_wrap=True)
    table = Table(title="for one sample", title_justify="left")
    for column in ("", "MACs", "parameters", "bytes", "latency"):
        table.add_column(column, justify="right" if column else "left")
    for name, cost in written.costs.items():
        amounts = (f"{cost[key]:,}" for key in ("macs", "parameters", "bytes"))
        table.add_row(name.replace("_", " "), *amounts, f"{short(1000 * cost['seconds'])} ms")
    console.print(table)


if __name__ == "__main__":
    be_courteous()
    sys.exit(main())
