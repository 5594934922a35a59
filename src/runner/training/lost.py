"""A run that goes on without the weights of its best evaluation."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from runner.errors import CheckpointError
from runner.method import Stage
from runner.rundir.checkpoint import Checkpoints, Position
from runner.training.loop import evaluation_steps
from runner.training.selection import Selection

log = logging.getLogger("runner")


def without_lost_best(
    checkpoints: Checkpoints, selection: Selection, stages: Sequence[Stage], position: Position
) -> Position:
    """Where to go on from `position`: there, with `selection` as it is where best.pt is whole.

    Where it is lost or damaged, what is measured from here on is the result, said in a warning; where nothing more would be
    measured in this stage, its end is measured again. Raises `CheckpointError` where nothing will be.
    """
    if not selection.best or checkpoints.best_is_whole():
        return position
    stage, path = stages[position.stage], checkpoints.folder / "best.pt"
    following = any(later.evaluate for later in stages[position.stage + 1 :])
    if not stage.evaluate and not following:
        raise CheckpointError(
            f"{path} is lost or damaged and nothing more would be measured; put it back, or delete the run's folder"
        )
    log.warning("%s is lost or damaged: the run's result will be one of the evaluations from here on", path)
    selection.lose(stage.name)
    done = max(evaluation_steps(stage), default=-1) == position.step and position.measured
    return replace(position, measured=False) if done else position
