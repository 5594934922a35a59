"""Which evaluation is the best so far: a pure function of the evaluations in order; knows neither disk nor network."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from runner.tasks import Task

Metrics = dict[str, dict[str, float]]  # task -> metric -> value
ELSEWHERE = ""  # the point of evaluations in stages that are no points of a series


class Evaluation(NamedTuple):
    """One predictor measured at one moment."""

    predictor: str
    stage: str
    step: int
    metrics: dict[str, Metrics]  # split -> ...
    batches: int | None = None  # that were measured; None is the whole split
    score: float = 0.0


class Selection:
    """The best evaluations of a run, one for each point of the method's series and predictor.

    `split` is the split whose metrics are compared; None selects nothing: every evaluation takes the place of the one before.
    Scores compare with the predictor's first evaluation. `points` are the stages of the series; where they are `alternatives`
    the best of them is the run's result, otherwise the last.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        split: str | None,
        points: Sequence[str] = (),
        alternatives: bool = False,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._tasks, self._split, self._points, self._alternatives = tasks, split, points, alternatives
        saved = state or {"first": {}, "best": {}}
        self._first: dict[str, Metrics] = dict(saved["first"])
        self.best: dict[str, dict[str, Evaluation]] = {
            point: {name: Evaluation(**found) for name, found in by_predictor.items()}
            for point, by_predictor in saved["best"].items()
        }
        self._lost: set[str] = set(saved.get("lost", ()))  # points whose best weights are no more

    def state(self) -> dict[str, Any]:
        """Plain values from which the same selection can be made again."""
        best = {point: {name: found._asdict() for name, found in by.items()} for point, by in self.best.items()}
        return {"first": self._first, "best": best, "lost": sorted(self._lost)}

    def lose(self, stage: str) -> None:
        """The weights of the result are lost while `stage` is trained: only evaluations from now on can be it.

        Points of the series that are behind stay points of it.
        """
        if stage in self._points:
            self.best.pop(stage, None)
        elif not self._points:
            self.best.pop(ELSEWHERE, None)
        if self._alternatives:
            self._lost |= self.best.keys() & set(self._points)

    def scored(self, found: Evaluation) -> Evaluation:
        """The evaluation with its score."""
        chosen = found.metrics[self._split or "test"]
        first = self._first.setdefault(found.predictor, chosen)
        return found._replace(score=relative_score(chosen, first, self._tasks))

    def consider(self, evaluations: Sequence[Evaluation]) -> tuple[bool, bool]:
        """Take in what was measured at one moment; the first of the evaluations decides for all of them.

        Returns whether it is the best of its point, and whether the run's result is now this one.
        """
        first = evaluations[0]
        point = first.stage if first.stage in self._points else ELSEWHERE
        own = self.best.setdefault(point, {})
        better = self._split is None or first.predictor not in own or first.score > own[first.predictor].score
        if better:
            own |= {found.predictor: found for found in evaluations}
        return better, better and self.chosen()[first.predictor] is first

    def chosen(self) -> dict[str, Evaluation]:
        """predictor -> the evaluation that is the run's result."""
        found = dict(self.best.get(ELSEWHERE, {}))
        points = [self.best[point] for point in self._points if point in self.best and point not in self._lost]
        if points:
            main = next(iter(points[-1]))
            choose = self._alternatives and self._split is not None
            found |= max(points, key=lambda own: own[main].score) if choose else points[-1]
        return found

    def replace(self, old: Evaluation, new: Evaluation) -> None:
        """Put a better measurement of the same moment in the place of `old`."""
        for by_predictor in self.best.values():
            if by_predictor.get(old.predictor) is old:
                by_predictor[old.predictor] = new


def relative_score(metrics: Metrics, first: Metrics, tasks: Mapping[str, Task]) -> float:
    """How much better `metrics` are than `first`, the same predictor's first evaluation.

    The mean over tasks of the mean over metrics of the signed relative change (the form of AdaShare's relative performance);
    metrics that are undefined do not count, and one that is zero in `first` counts by its plain difference.
    """
    per_task = []
    for name, task in tasks.items():
        changes = [
            (1 if better_high else -1) * (metrics[name][metric] - first[name][metric]) / (abs(first[name][metric]) or 1)
            for metric, better_high in task.higher_is_better.items()
            if isfinite(metrics[name][metric]) and isfinite(first[name][metric])
        ]
        per_task.append(sum(changes) / len(changes) if changes else 0.0)
    return sum(per_task) / len(per_task)
