"""Streams of sensor events as tensors: removing the saccade motion of a recording, and binning to steps.

An event has a position (polarity, y, x), a time in microseconds and the number of the sample it belongs to. All arithmetic is
in integers, so every device bins alike.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SACCADE_US = 105_000  # length of each of the three camera movements of N-MNIST


class Events(NamedTuple):
    """E events of several samples; every field is (E,) int32."""

    sample: Tensor
    polarity: Tensor  # 0: darker (off), 1: brighter (on)
    y: Tensor
    x: Tensor
    time: Tensor  # microseconds from the start of the recording


def stabilise(events: Events) -> Events:
    """Subtract the image motion of the three saccades of N-MNIST (Orchard et al. 2015) from the positions.

    The image moves by (x, y) = (3.5, 7) pixels in the first 105 ms, by (3.5, -7) in the second and by (-7, 0) from then on:
    x is less by t/30 ms in the first two and by 21 - t/15 ms pixels afterwards, y by t/15 ms, then 14 - t/15 ms, then
    nothing; rounded to the nearest pixel, halves up. Positions may lie outside the sensor afterwards.
    """
    x_unit, y_unit = 30_000, 15_000  # microseconds in which the image moves by a pixel
    time = events.time
    returning = time > 2 * SACCADE_US
    ahead = (x_unit * events.x - time + x_unit // 2).div(x_unit, rounding_mode="floor")
    back = (y_unit * (events.x - 21) + time + y_unit // 2).div(y_unit, rounding_mode="floor")
    moved = torch.where(time <= SACCADE_US, time, 14 * y_unit - time)
    y = (y_unit * events.y - moved + y_unit // 2).div(y_unit, rounding_mode="floor")
    return events._replace(x=torch.where(returning, back, ahead), y=torch.where(returning, events.y, y))


def bin_events(events: Events, samples: int, steps: int, step_us: int, side: int) -> Tensor:
    """Which pixels of a `side` x `side` sensor saw an event in each step: (T, B, 2, side, side) float32 of zeros and ones.

    Step k covers k step_us <= t < (k + 1) step_us. Events later than the last step or outside the sensor are left out.
    """
    step = events.time.div(step_us, rounding_mode="floor")
    return _mark(events, step, samples, steps, side)


def bin_events_officially(events: Events, samples: int, steps: int, step_us: int, side: int) -> Tensor:
    """The input of the official TSSL-BP code: (T, B, 2, side, side) float32 with x, not y, as the first image axis.

    Its converter numbers bins k = ceil(t / step_us); its loader sets step k - 1 for k < T and leaves out the rest, so
    the last step stays empty but for events at t = 0, whose index -1 wraps around to it.
    """
    number = (events.time + step_us - 1).div(step_us, rounding_mode="floor")
    step = torch.where(number < steps, (number - 1) % steps, steps)
    return _mark(events._replace(x=events.y, y=events.x), step, samples, steps, side)


def _mark(events: Events, step: Tensor, samples: int, steps: int, side: int) -> Tensor:
    inside = (step < steps) & (events.x >= 0) & (events.x < side) & (events.y >= 0) & (events.y < side)
    image = step.long() * samples + events.sample
    place = image * (2 * side * side) + ((events.polarity * side + events.y) * side + events.x)
    size = steps * samples * 2 * side * side
    # What is left out is written past the end: selecting by a mask would make a GPU wait.
    marks = torch.zeros(size + 1, device=place.device)
    marks.index_fill_(0, torch.where(inside, place, size), 1.0)
    return marks[:size].view(steps, samples, 2, side, side)
