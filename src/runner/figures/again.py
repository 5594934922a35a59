"""A finished run's figures, from what it recorded, its weights and its data."""

from collections.abc import Collection
from pathlib import Path

import torch

from runner.device import autocast
from runner.export.run import Run
from runner.report.measured import networks, shown
from runner.run import load_data, require_data_of


def draw_again(path: Path, plugins: Collection[str] = ()) -> list[str]:
    """Write figures/*.png of the finished run in `path` anew, on the CPU, and return their names.

    `plugins` are the packages beside the runner whose classes may be used. What else the run left stays as it is, but for the
    list of figures in its summary. Raises `DataError` where the data are not where they were, `CheckpointError` where they have
    become others or a file of the run is damaged, `BusyError` where another process writes to the folder.
    """
    run = Run(path, plugins)
    with run.folder.locked():
        if run.settings.threads:
            torch.set_num_threads(run.settings.threads)
        data = load_data(run.settings, torch.device("cpu"))
        require_data_of(run.settings, run.folder, data)
        found = networks(run.method)
        measured, _ = shown(run.method, found, data, autocast(run.settings.precision, data.device))
        from runner.report import figures  # imports matplotlib

        names = figures.draw(run.folder, run.summary, measured)
        if names != run.summary.get("figures"):
            run.folder.write_summary({**run.summary, "figures": names})
    return names
