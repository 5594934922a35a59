"""What a run's user is warned of: each thing once, in its log and in its summary."""

import logging
from collections.abc import Sequence

log = logging.getLogger("runner")


class Warned:
    """The warnings of a run so far; `before` are those of the part of it that a checkpoint holds."""

    def __init__(self, before: Sequence[str] = ()) -> None:
        self.texts = list(before)

    def warn(self, text: str) -> None:
        """Say it, unless it has been said."""
        if text not in self.texts:
            self.texts.append(text)
            log.warning("%s", text)
