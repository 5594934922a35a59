"""Weights & Biases."""

import shutil
from collections.abc import Mapping
from typing import Literal, final

import wandb

from runner.trackers import Tracked, Tracker

SECONDS = 30  # to reach the server before the run goes on without


@final
class WeightsAndBiases(Tracker):
    """A run under `project` with this run's name and settings; its identity there is this run's, so that it goes on there, too.

    Offline the files lie in `<run>/wandb/`, and those of an earlier start give way to these, which hold the same and more.
    """

    def __init__(self, *, run: Tracked, project: str, entity: str | None, mode: Literal["online", "offline"]) -> None:
        for earlier in (run.folder / "wandb").glob("offline-run-*") if mode == "offline" else ():
            shutil.rmtree(earlier)
        self._run = wandb.init(
            project=project,
            entity=entity,
            mode=mode,
            id=run.identity,
            name=run.name,
            dir=str(run.folder),
            config=dict(run.settings),
            resume="allow",
            settings=wandb.Settings(
                console="off", silent=True, init_timeout=SECONDS, login_timeout=SECONDS, x_disable_stats=True
            ),
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One row a step; rows that are there already stay as they are."""
        if step >= self._run.step:
            self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()
