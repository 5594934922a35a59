"""The word that a mistyped one is nearest to, whatever its capitals and dashes: `ResNet-18` is `resnet18`."""

import difflib
import re
from collections.abc import Iterable, Sequence


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """The one of `known` that is most like `word`, or none where none is as like as `cutoff` (difflib's ratio)."""
    by_plain = {plain(name): name for name in reversed(list(known))}
    match = difflib.get_close_matches(plain(word), by_plain, n=1, cutoff=cutoff)
    return [by_plain[name] for name in match]


def plain(word: str) -> str:
    """A word in small letters with underscores: `learningRate` and `learning-rate` are `learning_rate`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).lower().replace("-", "_")


def did_you_mean(words: Sequence[str]) -> str:
    """The end of a message that names what may be meant, if there is anything."""
    return f"; did you mean {' or '.join(map(repr, words))}?" if words else ""
