"""What metrics are called on axes: one table of plain names, units and directions."""

from collections.abc import Mapping
from typing import Any, NamedTuple

ARROWS = {True: " ↑", False: " ↓", None: ""}
_OURS = "runner.tasks."
_GUESSES = {"top1": 1, "top5": 5}  # classes that may be named for one of them to be right


class Title(NamedTuple):
    """The plain name of a metric, its unit (empty where it has none) and whether more is better (None: not known)."""

    name: str
    unit: str = ""
    higher_is_better: bool | None = None

    def text(self) -> str:
        """ "pixels right (%) ↑"."""
        return f"{self.name}{f' ({self.unit})' if self.unit else ''}{ARROWS[self.higher_is_better]}"


METRICS: Mapping[str, Title] = {
    "miou": Title("mean IoU", "%", True),
    "pixel_accuracy": Title("pixels right", "%", True),
    "mean": Title("mean angle", "°", False),
    "median": Title("median angle", "°", False),
    "within_11.25": Title("within 11.25°", "%", True),
    "within_22.5": Title("within 22.5°", "%", True),
    "within_30": Title("within 30°", "%", True),
    "abs": Title("mean error", "m", False),
    "rel": Title("relative error", "", False),
    "delta_1.25": Title("within factor 1.25", "%", True),
    "delta_1.25_2": Title("within factor 1.25²", "%", True),
    "delta_1.25_3": Title("within factor 1.25³", "%", True),
    "cross_entropy": Title("cross-entropy", "", False),
    "cosine": Title("mean cosine", "", True),
    "error": Title("mean error", "", False),
    "top1": Title("accuracy", "%", True),
    "top5": Title("top-5 accuracy", "%", True),
    "loss": Title("cross-entropy", "", False),
}


class Titles:
    """Titles of a task's metrics by their keys, from the part `network` of a run's summary.

    A metric that the table does not know, as of a task of a user's own, is called by its key in words.
    """

    def __init__(self, network: Mapping[str, Any], task: str) -> None:
        definition = network.get("definitions", {}).get(task, {"_target_": _OURS})  # which older runs lack
        own = definition is not None and definition["_target_"].startswith(_OURS)
        self._table = METRICS if own else {}
        if own and definition.get("quantity") == "inverse depth":  # in whatever unit the dataset has
            self._table = {**METRICS, "abs": METRICS["abs"]._replace(unit="")}
        self._higher_is_better: Mapping[str, bool] = network.get("metrics", {}).get(task, {})
        self._classes: int = network.get("tasks", {}).get(task, 0)

    def __getitem__(self, metric: str) -> Title:
        if metric in self._table:
            return self._table[metric]
        return Title(metric.replace("_", " "), higher_is_better=self._higher_is_better.get(metric))

    def chance(self, metric: str) -> float | None:
        """What guessing reaches, in percent; None where that is no question of the number of classes alone."""
        return 100 * _GUESSES[metric] / self._classes if metric in self._table and metric in _GUESSES else None
