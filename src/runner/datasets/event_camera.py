"""A simulated event camera before a still picture: the recording procedure of N-MNIST (Orchard et al. 2015).

The camera turns along an isosceles triangle in three saccades of about 105 ms while a 28x28 picture stands on a screen; each
pixel of its 34x34 sensor sends an event when the logarithm of its light has changed by a threshold. Pictures are
(n, 28, 28), sensor maps (n, 34, 34) or (34, 34), y before x; lengths are pixels of the sensor.
"""

from math import exp, floor, pi, sin
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from runner.datasets.binning import Events

SIDE, PICTURE = 34, 28
DURATION_MS = 315
STEP_US = 1000  # a pixel looks at its light once in this time and has at most one event in it, noise apart
BLUR = 0.5  # standard deviation of the optics' point spread
NOISE_ON = 0.94  # share of brighter ones among events without cause, as counted in the real recording
START = (1.2, 0.3)  # where the upper left corner of the picture (y, x) is before the first saccade

_MARGIN = 8  # of the canvas around the picture; more than it ever moves


class Move(NamedTuple):
    """The image moves by `pixels` along one axis (0: y, 1: x) between two times, its speed rising and falling as sin^2."""

    axis: int
    begin_ms: float
    end_ms: float
    pixels: float


# Down right, up right, back left: measured on a real recording by fitting the speed along each axis in windows of 10 ms.
# The nominal corners are (0, 0), (7, 3.5) and (0, 7); the motors overlap and stop short of them.
MOVES = (
    Move(0, 2, 88, 5.5),
    Move(0, 110, 195, -5.5),
    Move(1, 38, 89, 1.6),
    Move(1, 93, 183, 3.2),
    Move(1, 150, 235, 1.2),
    Move(1, 217, 285, -4.1),
    Move(1, 247, 311, -1.9),
)


class Sensor(NamedTuple):
    """What the screen shows and how the pixels answer."""

    contrast: float  # natural logarithm of white over black on the screen
    threshold: float  # change of the natural logarithm of light that makes an event
    mismatch: float  # standard deviation of the pixels' thresholds, as a share of it
    noise_hz: float  # events without cause per pixel and second


def corner(time_ms: float) -> tuple[float, float]:
    """Where the upper left corner of the picture (y, x) is on the sensor at a time."""
    place = list(START)
    for move in MOVES:
        progress = min(max((time_ms - move.begin_ms) / (move.end_ms - move.begin_ms), 0.0), 1.0)
        place[move.axis] += move.pixels * (progress - sin(2 * pi * progress) / (2 * pi))
    return place[0], place[1]


def thresholds(sensor: Sensor, generator: Generator) -> Tensor:
    """The thresholds (34, 34) of the pixels; none is under a third of the mean."""
    spread = 1 + sensor.mismatch * torch.randn(SIDE, SIDE, generator=generator)
    return sensor.threshold * spread.clamp(min=1 / 3)


def record(pictures: Tensor, sensor: Sensor, levels: Tensor, generator: Generator) -> Events:
    """The events of `pictures` (n, 28, 28) uint8 before a camera with thresholds `levels` (34, 34), by sample and time.

    A pixel remembers the logarithm of its light at its last event. Once in `STEP_US` it compares it with the present one; a
    difference over its threshold makes one event, at a random moment of that time, and what it sees now is remembered. Strokes
    are dark on a bright screen, so an arriving stroke gives events of polarity 0, as in the real recording.
    """
    light = _light(pictures, sensor.contrast)
    memory = _view(light, 0).log_()
    places, signs, counts = [], [], []
    for step in range(1, DURATION_MS * 1000 // STEP_US + 1):
        present = _view(light, step * STEP_US / 1000).log_()
        change = present - memory
        fired = (change.abs() > levels).view(-1).nonzero()[:, 0]
        places.append(fired)
        signs.append(change.view(-1)[fired] > 0)
        counts.append(len(fired))
        memory.view(-1)[fired] = present.view(-1)[fired]
    place = torch.cat(places).int()
    begin = torch.repeat_interleave(torch.arange(len(counts), dtype=torch.int32) * STEP_US, torch.tensor(counts))
    time = begin + torch.randint(STEP_US, place.shape, generator=generator, dtype=torch.int32)
    area = SIDE * SIDE
    caused = Events(place // area, torch.cat(signs).int(), place % area // SIDE, place % SIDE, time)
    noise = _noise(len(pictures), sensor.noise_hz, generator)
    return _sorted(Events(*(torch.cat(pair) for pair in zip(caused, noise, strict=True))))


def _light(pictures: Tensor, contrast: float) -> Tensor:
    """The light of the screen (n, S, S) through the optics, white 1, with `_MARGIN` of white around the picture."""
    reach = torch.arange(-3, 4)
    spread = (-(reach**2) / (2 * BLUR**2)).exp()
    spread = spread / spread.sum()
    canvas = F.pad(pictures.float() / 255, (_MARGIN,) * 4)[:, None]
    canvas = F.conv2d(canvas, spread.view(1, 1, -1, 1), padding=(3, 0))
    canvas = F.conv2d(canvas, spread.view(1, 1, 1, -1), padding=(0, 3))
    return 1 - (1 - exp(-contrast)) * canvas[:, 0]


def _view(light: Tensor, time_ms: float) -> Tensor:
    """What the sensor (n, 34, 34) sees at a time, linearly between the points of the canvas."""
    y, x = (_MARGIN - place for place in corner(time_ms))
    top, left = floor(y), floor(x)
    part = light[:, top : top + SIDE + 1, left : left + SIDE + 1]
    part = torch.lerp(part[:, :-1], part[:, 1:], y - top)
    return torch.lerp(part[:, :, :-1], part[:, :, 1:], x - left)


def _noise(count: int, rate_hz: float, generator: Generator) -> Events:
    """Events without cause of `count` recordings, uniform over pixels and time."""
    expected = torch.full((count,), rate_hz * SIDE * SIDE * DURATION_MS / 1000)
    numbers = torch.poisson(expected, generator=generator).int()
    sample = torch.repeat_interleave(torch.arange(count, dtype=torch.int32), numbers)
    polarity = torch.rand(len(sample), generator=generator) < NOISE_ON
    y, x, time = (
        torch.randint(bound, (len(sample),), generator=generator, dtype=torch.int32)
        for bound in (SIDE, SIDE, DURATION_MS * 1000)
    )
    return Events(sample, polarity.int(), y, x, time)


def _sorted(events: Events) -> Events:
    order = (events.sample.long() * (DURATION_MS * 1000) + events.time).argsort(stable=True)
    return Events(*(field[order] for field in events))
