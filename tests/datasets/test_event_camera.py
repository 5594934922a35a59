import pytest
import torch

from runner.datasets.event_camera import (
    DURATION_MS,
    NOISE_ON,
    PICTURE,
    SIDE,
    START,
    STEP_US,
    Sensor,
    corner,
    record,
    thresholds,
)

QUIET = Sensor(contrast=1.6, threshold=0.2, mismatch=0.0, noise_hz=0.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def square() -> torch.Tensor:
    picture = torch.zeros(1, PICTURE, PICTURE, dtype=torch.uint8)
    picture[:, 10:18, 10:18] = 255
    return picture


def test_the_path_is_a_closed_triangle() -> None:
    assert corner(0) == START
    y, x = corner(100)
    assert y == pytest.approx(START[0] + 5.5)
    assert corner(200)[0] == pytest.approx(START[0])
    assert corner(235)[1] > x > START[1]
    assert corner(DURATION_MS) == pytest.approx(START)


def test_the_speed_is_a_squared_sine() -> None:
    # Half way through the first move the image has gone half of 5.5 pixels, a quarter through 5.5 (1/4 - 1 / (2 pi)).
    assert corner(45)[0] == pytest.approx(START[0] + 2.75)
    assert corner(23.5)[0] == pytest.approx(START[0] + 5.5 * (0.25 - 0.15915494), abs=1e-6)


def test_a_blank_picture_gives_no_event_but_noise() -> None:
    blank = torch.zeros(200, PICTURE, PICTURE, dtype=torch.uint8)
    levels = thresholds(QUIET, seeded())
    assert len(record(blank, QUIET, levels, seeded()).time) == 0
    noise = record(blank, QUIET._replace(noise_hz=2.0), levels, seeded())
    expected = 200 * 2.0 * SIDE * SIDE * DURATION_MS / 1000
    assert len(noise.time) == pytest.approx(expected, abs=5 * expected**0.5)
    assert noise.polarity.double().mean().item() == pytest.approx(NOISE_ON, abs=0.01)
    assert noise.time.max() < DURATION_MS * 1000
    assert noise.x.max() == noise.y.max() == SIDE - 1


def test_thresholds_spread_as_asked() -> None:
    levels = thresholds(QUIET._replace(mismatch=0.15), seeded())
    assert levels.shape == (SIDE, SIDE)
    assert levels.mean().item() == pytest.approx(0.2, rel=0.02)
    assert levels.std().item() == pytest.approx(0.03, rel=0.1)
    assert thresholds(QUIET._replace(mismatch=5.0), seeded()).min().item() == pytest.approx(0.2 / 3)


def test_a_pixel_crossed_by_an_edge_counts_its_contrast() -> None:
    # An edge of contrast 1.6 passing a threshold of 0.2 makes at most 8 events; what is left over at each event costs some.
    events = record(square(), QUIET, thresholds(QUIET, seeded()), seeded())
    first = events.time < 100_000
    below = (
        first & (events.y == 21) & (events.x >= 13) & (events.x <= 16)
    )  # swept by the lower edge in the first saccade
    assert set(events.polarity[below].tolist()) == {0}  # dark strokes: arriving is darker
    assert 4 * 5 <= below.sum() <= 4 * 8


def test_a_pixel_sends_one_event_a_millisecond_at_most() -> None:
    events = record(square(), QUIET, thresholds(QUIET, seeded()), seeded())
    moments = torch.stack([events.time // STEP_US, events.y, events.x], 1)
    assert len(moments.unique(dim=0)) == len(moments)


def test_events_come_by_sample_and_time_and_depend_on_the_generator_alone() -> None:
    noisy = Sensor(1.6, 0.2, 0.15, 0.4)
    levels = thresholds(noisy, seeded())
    pictures = square().repeat(3, 1, 1)
    events = record(pictures, noisy, levels, seeded(1))
    order = events.sample.long() * 10**6 + events.time
    assert (order.diff() >= 0).all()
    assert sorted(set(events.sample.tolist())) == [0, 1, 2]
    for field, again in zip(events, record(pictures, noisy, levels, seeded(1)), strict=True):
        assert torch.equal(field, again)
