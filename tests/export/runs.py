"""Finished runs, as small as they can be, to export from."""

import json
import shutil

import torch

from runner.run import run
from runner.rundir.folder import RunFolder
from runner.training.signals import Stop
from tests.compose import small


def finished_run(root, *choices, figures=False):
    folder = RunFolder(root / "run")
    folder.path.mkdir()
    settings = small(*choices, f"cache_dir={root / 'cache'}", "threads=1", f"figures={figures}")
    run(settings, folder, Stop())
    return folder


def images(folder, count=3):
    return torch.randn(count, *folder.summary()["network"]["input_shape"])


def without(folder, target, *keys):
    """A copy of a run's folder whose summary lacks keys of `network`, as those of older versions do."""
    shutil.copytree(folder.path, target)
    copy = RunFolder(target)
    summary = copy.summary()
    summary["network"] = {key: value for key, value in summary["network"].items() if key not in keys}
    copy.summary_file.write_text(json.dumps(summary))
    return copy
