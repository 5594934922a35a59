"""The closed sets of words that a spiking network is told in, and their refusal of any other."""

from typing import Any, Literal, get_args

from runner.errors import ConfigurationError, require_word

Version = Literal["released", "published"]  # of the authors' code: their last one, or that of the time of publication
Gradient = Literal["tssl", "surrogate", "no_intra", "stbp", "hm2bp", "strsbp"]  # see `rules`
Plain = Literal["tssl", "surrogate", "no_intra", "hm2bp", "strsbp"]  # those without settings
Shape = Literal["rectangle", "triangle", "logistic", "arctan"]  # of what stands in for a spike's derivative, see `stbp`
Init = Literal["released", "published", "uniform"]  # how initial weights are drawn
_RENAMED = {"head": "released", "paper": "published"}


def check(key: str, word: str, words: Any) -> None:
    """`require_word`, which says of a word that was renamed what it is now."""
    now = _RENAMED.get(word)
    if now in get_args(words):
        raise ConfigurationError(f"{key}={word} is now {key}={now}")
    require_word(key, word, words)
