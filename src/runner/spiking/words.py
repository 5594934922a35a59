"""The closed sets of words that a spiking network is told in, and their refusal of any other."""

from collections.abc import Sequence
from typing import Literal, get_args

from runner.errors import ConfigurationError

Version = Literal["released", "published"]  # of the authors' code: their last one, or that of the time of publication
Gradient = Literal["tssl", "surrogate", "no_intra"]  # see `rules`
VERSIONS: tuple[Version, ...] = get_args(Version)
GRADIENTS: tuple[Gradient, ...] = get_args(Gradient)
_RENAMED = {"head": "released", "paper": "published"}


def check(key: str, word: str, allowed: Sequence[str]) -> None:
    """Raise `ConfigurationError`, naming `key` and what is allowed, for a word that is not; an older one with its new name."""
    if word in allowed:
        return
    if _RENAMED.get(word) in allowed:
        raise ConfigurationError(f"{key}={word!r} is now {_RENAMED[word]!r}")
    raise ConfigurationError(f"{key}={word!r} is none of {', '.join(allowed)}")
