"""Random numbers of one image, and the surfaces they colour."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

_T = TypeVar("_T")
Triple = tuple[float, float, float]
_BLOCK = 1024

PATTERNS = ("plain", "stripes", "checker", "noise", "gradient")
_STRIPES: tuple[Triple, ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1))  # directions they run across


class Material(NamedTuple):
    """How a surface reflects light: two colours mixed by a pattern of the position on the solid."""

    colour: Triple  # reflectance in [0, 1]
    second: Triple
    pattern: int  # index into PATTERNS
    sharpness: float  # of the pattern's transitions; 1 is sinusoidal
    frequency: Triple  # cycles per metre along the solid's axes
    phase: Triple  # cycles
    border: float  # metres of `second` around every flat face
    glow: float  # light given off, as a multiple of the reflectance


class Dice:
    """All chance in one image: a function of (seed, split, index) alone."""

    def __init__(self, seed: int, split: int, index: int) -> None:
        self.generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, split, index])))
        self._numbers = self._stream()

    def _stream(self) -> Iterator[float]:
        while True:  # drawn in blocks: a call of numpy for every number would take most of the time of a scene
            yield from self.generator.random(_BLOCK).tolist()

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * next(self._numbers)

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int((high - low + 1) * next(self._numbers))

    def chance(self, probability: float) -> bool:
        """True with `probability`."""
        return next(self._numbers) < probability

    def choice(self, options: Sequence[_T]) -> _T:
        """One of the options, all equally likely."""
        return options[int(len(options) * next(self._numbers))]

    def colour(self, low: float = 0.1, high: float = 0.85, saturation: float = 1.0) -> Triple:
        """A grey between low and high whose channels spread around it by at most the fraction `saturation`."""
        grey, spread = self.uniform(low, high), self.uniform(0, saturation)
        red, green, blue = (min(0.97, max(0.03, grey * (1 + spread * self.uniform(-1, 1)))) for _ in range(3))
        return red, green, blue

    def material(
        self,
        typical: Sequence[str] = PATTERNS,
        *,
        brightness: tuple[float, float] = (0.1, 0.85),
        saturation: float = 1.0,
        spacing: tuple[float, float] = (0.15, 0.8),
        border: float = 0.0,
        glow: float = 0.0,
    ) -> Material:
        """A material with one of the `typical` patterns, repeating every `spacing` metres.

        Every third time it is any pattern, and every third time `border` is dropped or put on: neither colour nor pattern
        gives a category away.
        """
        pattern = self.choice(PATTERNS if self.chance(1 / 3) else typical)
        if self.chance(1 / 3):
            border = self.choice((0.0, 0.04))
        rate = 1 / self.uniform(*spacing)
        across: Triple = self.choice(_STRIPES) if pattern == "stripes" else (1, 1, 1)
        phase: Triple = (0.0, 0.0, 0.0)
        if pattern == "noise":
            across = (self.uniform(0.5, 1.5), self.uniform(0.5, 1.5), self.uniform(0.5, 1.5))
            phase = (self.uniform(0, 1), self.uniform(0, 1), self.uniform(0, 1))
        return Material(
            colour=self.colour(*brightness, saturation),
            second=self.colour(*brightness, saturation),
            pattern=PATTERNS.index(pattern),
            sharpness=self.choice((1.0, 2.0, 8.0)),
            frequency=(rate * across[0], rate * across[1], rate * across[2]),
            phase=phase,
            border=border,
            glow=glow,
        )
