"""What a tracker is told: every event of metrics.jsonl as values at a step of the run."""

import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from runner.configuration.construct import construct
from runner.trackers import Tracked, Tracker

log = logging.getLogger("runner")
Event = Mapping[str, Any]
_NUMBER = re.compile(r"\d+")


class Tracking:
    """Feeds a tracker, if there is one, and lets nothing that it does stop the run.

    `node` is the option's content, `starts` the optimizer steps of the run before every stage.
    """

    def __init__(self, node: Mapping[str, Any] | None, run: Tracked, starts: Mapping[str, int]) -> None:
        self._starts = starts
        self._tracker: Tracker | None = None
        if node is not None:
            self._attempt(lambda: self._begin(node, run))

    def _begin(self, node: Mapping[str, Any], run: Tracked) -> None:
        admitted = {node["_target_"].partition(".")[0]}  # the check of the configuration has admitted it
        self._tracker = construct(node, admitted, run=run)

    def again(self, events: Iterable[Event]) -> None:
        """Tell the events of earlier starts."""
        if self._tracker is not None:
            for event in events:
                self.event(event)

    def event(self, event: Event) -> None:
        """Tell one event."""
        tracker = self._tracker
        if tracker is not None:
            step = self._starts[event["stage"]] + event["step"] + (event["event"] == "train")
            self._attempt(lambda: tracker.write(step, dict(_values(event))))

    def close(self) -> None:
        """Let the tracker finish."""
        tracker = self._tracker
        if tracker is not None:
            self._attempt(tracker.close)
        self._tracker = None

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # of whatever kind another's package raises
            self._tracker = None
            log.warning("the tracker failed and is told no more, metrics.jsonl has everything: %s", _in_a_line(error))


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _values(event: Event) -> Iterator[tuple[str, float]]:
    """The event's finite numbers by their names."""
    found = _of_evaluation(event) if event["event"] == "evaluation" else _of_step(event)
    return ((name, float(value)) for name, value in found if value is not None and math.isfinite(value))


def _of_step(event: Event) -> Iterator[tuple[str, float]]:
    """Stages that differ in a number alone are one curve: search/weights/loss of search007/weights."""
    stage = _NUMBER.sub("", event["stage"])
    numbers = {key: value for key, value in event.items() if isinstance(value, float)}
    for name, value in {**numbers, **event.get("scalars", {})}.items():
        if name != "time":
            yield f"{stage}/{name}", value


def _of_evaluation(event: Event) -> Iterator[tuple[str, float]]:
    predictor = event["predictor"]
    yield f"score/{predictor}", event["score"]
    for split, tasks in event["metrics"].items():
        for task, metrics in tasks.items():
            for metric, value in metrics.items():
                yield f"{split}/{predictor}/{task}/{metric}", value
