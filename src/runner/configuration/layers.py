"""Layers of spiking networks in the papers' notation, `32C5p2-P2-1024`: what can be told of a text before there is a network."""

import re

TOKEN = re.compile(
    r"(?P<maps>[1-9]\d*)C(?P<kernel>[1-9]\d*)(p(?P<padding>\d+))?|P(?P<pool>[1-9]\d*)|(?P<recurrent>R)?(?P<neurons>[1-9]\d*)"
)
_GRAMMAR = (
    "a convolution xCk or xCkpN (x maps, k x k, padding N), a sum pooling Pk or a number of neurons, RN where they are "
    "recurrent, joined by '-'"
)


def fault(text: str) -> str | None:
    """What is wrong with a text of layers: the position, what is there and what can stand there. None where nothing is."""
    position, flat = 0, False
    for token in text.split("-") if text else []:
        match = TOKEN.fullmatch(token)
        if match is None:
            return at(position, token, f"expected {_GRAMMAR}")
        if flat and not match["neurons"]:
            expected = "expected a number of neurons: no maps are left after a fully connected layer"
            return at(position, token, expected)
        flat = flat or bool(match["neurons"])
        position += len(token) + 1
    return None


def at(position: int, token: str, problem: str) -> str:
    """The words for a problem with the layer that begins at a position, counted from 0."""
    return f"at character {position + 1}, {token!r}: {problem}"
