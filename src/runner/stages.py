"""What a method's list of stages says as a whole: what it measures, where its stages begin, what its weights are trained on."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from runner.method import Method, Stage


def main_predictor(stages: Sequence[Stage]) -> str:
    """The one that scores, selects and is shown: what the last stage that measures names first."""
    return next(stage.evaluate[0] for stage in reversed(stages) if stage.evaluate)


def points(method: Method) -> tuple[str, ...]:
    """The names of the stages that are points of the method's series, in order."""
    if method.series is None:
        return ()
    stages = method.stages()
    main = main_predictor(stages)
    return tuple(stage.name for stage in stages if stage.evaluate[:1] == (main,))


def starts(stages: Sequence[Stage]) -> dict[str, int]:
    """How many steps there are before each stage, by its name."""
    before = accumulate((stage.steps for stage in stages), initial=0)
    return dict(zip((stage.name for stage in stages), before, strict=False))


class Budget(NamedTuple):
    """Training samples, each as often as an optimizer step used it."""

    samples: int  # that the compared weights were trained on
    before: dict[str, int]  # kind of stage -> what was spent before those weights began: a warm-up, a search


def budget(stages: Sequence[Stage], batch_size: int) -> Budget:
    """What the weights of the last stages were trained on: all steps since weights last began afresh.

    Only runs of equal budget are compared. For AdaShare these are the samples of one retraining, with warm-up and search
    shown apart; for Knowledge Evolution and its kind the sum over generations; for single-task training those of one network.
    """
    begun = max((index for index, stage in enumerate(stages) if stage.restarts), default=0)
    first = next(index for index, stage in enumerate(stages) if stage.restarts or index == begun)
    before: dict[str, int] = {}
    for stage in stages[:first]:
        kind = stage.name.rstrip("0123456789").partition("/")[0].rstrip("0123456789")
        if stage.objective is not None:
            before[kind] = before.get(kind, 0) + stage.steps * batch_size
    samples = sum(stage.steps for stage in stages[begun:] if stage.objective is not None) * batch_size
    return Budget(samples, before)
