"""Tasks as an outsider's package may have them."""

from dataclasses import dataclass
from typing import Any

from runner.tasks import Task
from runner.tasks.depth import HIGHER_IS_BETTER, Depth


@dataclass(frozen=True)
class Offset(Depth):
    """A task with a setting of its own."""

    offset: Any = 0.0


class Plain(Task):
    """A task that is no dataclass."""

    channels, kind, higher_is_better = 1, "dense", HIGHER_IS_BETTER

    def loss(self, *arguments: Any) -> Any: ...

    def resolved(self, *arguments: Any) -> Any: ...

    def meter(self) -> Any: ...
